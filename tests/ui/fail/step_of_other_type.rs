use durable_runtime::prelude::*;

async fn call(_: &StepContext) -> Result<u32, ToolError> {
    Ok(1)
}

/// Calls.
#[durable_tool]
async fn tool(cx: &DurableContext) -> Result<u32, ToolError> {
    #[once(at_least)]
    let value: String = call(cx).await?;
    #[once(at_least, name = "again")]
    let result: u32 = call(cx).await;
    Ok(value.len() as u32 + result)
}

fn main() {}
