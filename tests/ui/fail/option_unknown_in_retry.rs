use durable_runtime::prelude::*;

async fn call(_: &StepContext) -> Result<u32, ToolError> {
    Ok(1)
}

/// Calls.
#[durable_tool]
async fn tool(cx: &DurableContext) -> Result<u32, ToolError> {
    #[once(at_least, retry(attempt = 5, backoff = "1s"))]
    let value = call(cx).await?;
    Ok(value)
}

fn main() {}
