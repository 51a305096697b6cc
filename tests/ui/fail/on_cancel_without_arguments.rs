use durable_runtime::prelude::*;

#[durable]
async fn undo(_cx: &DurableContext) -> Result<(), ToolError> {
    Ok(())
}

/// Orders.
#[durable_tool(on_cancel = undo)]
async fn order(_cx: &DurableContext, order: String) -> Result<String, ToolError> {
    Ok(order)
}

fn main() {}
