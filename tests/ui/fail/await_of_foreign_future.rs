use durable_runtime::prelude::*;

async fn foreign() -> u32 {
    1
}

/// Calls.
#[durable_tool]
async fn tool(cx: &DurableContext) -> Result<u32, ToolError> {
    let value = foreign().await;
    Ok(value)
}

fn main() {}
