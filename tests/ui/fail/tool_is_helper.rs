use durable_runtime::prelude::*;

/// Calls.
#[durable_tool]
#[durable]
async fn tool(cx: &DurableContext) -> Result<u32, ToolError> {
    Ok(1)
}

fn main() {}
