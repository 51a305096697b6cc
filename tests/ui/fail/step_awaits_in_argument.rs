use durable_runtime::prelude::*;

async fn call(_: &StepContext) -> Result<u32, ToolError> {
    Ok(1)
}

async fn add(_: &StepContext, number: u32) -> Result<u32, ToolError> {
    Ok(number + 1)
}

/// Calls.
#[durable_tool]
async fn tool(cx: &DurableContext) -> Result<u32, ToolError> {
    #[once(at_least)]
    let value = add(cx, call(cx).await?).await?;
    Ok(value)
}

fn main() {}
