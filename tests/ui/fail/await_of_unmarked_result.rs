use durable_runtime::prelude::*;

async fn call(number: u32) -> Result<u32, ToolError> {
    Ok(number)
}

/// Calls.
#[durable_tool]
async fn tool(cx: &DurableContext) -> Result<u32, ToolError> {
    let value = call(1).await?;
    if value > 1 {
        return call(value).await;
    }
    Ok(value)
}

fn main() {}
