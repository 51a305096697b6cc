use durable_runtime::prelude::*;

async fn undo(_cx: &DurableContext, _order: &str) -> Result<(), ToolError> {
    Ok(())
}

/// Orders.
#[durable_tool(on_cancel = undo)]
async fn order(_cx: &DurableContext, order: String) -> Result<String, ToolError> {
    Ok(order)
}

fn main() {}
