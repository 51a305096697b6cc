use durable_runtime::prelude::*;

#[durable]
async fn undo(_cx: &DurableContext) -> Result<(), ToolError> {
    Ok(())
}

/// Orders.
#[durable_tool(read_only, on_cancel = undo)]
async fn order(_cx: &ReadContext) -> Result<u32, ToolError> {
    Ok(1)
}

fn main() {}
