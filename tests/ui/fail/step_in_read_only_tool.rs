use durable_runtime::prelude::*;

async fn call() -> Result<u32, ToolError> {
    Ok(1)
}

/// Calls.
#[durable_tool(read_only)]
async fn tool(cx: &ReadContext) -> Result<u32, ToolError> {
    #[once(at_least)]
    let value = call().await?;
    Ok(value)
}

fn main() {}
