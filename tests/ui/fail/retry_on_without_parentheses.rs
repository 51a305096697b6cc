use durable_runtime::prelude::*;

async fn call(_: &StepContext) -> Result<u32, ToolError> {
    Ok(1)
}

/// Calls.
#[durable_tool]
async fn tool(cx: &DurableContext) -> Result<u32, ToolError> {
    #[once(at_most, retry_on = Network)]
    let value = call(cx).await?;
    Ok(value)
}

fn main() {}
