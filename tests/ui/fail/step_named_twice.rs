use durable_runtime::prelude::*;

async fn call(_: &StepContext) -> Result<u32, ToolError> {
    Ok(1)
}

async fn other(_: &StepContext) -> Result<u32, ToolError> {
    Ok(1)
}

/// Calls.
#[durable_tool]
async fn tool(cx: &DurableContext) -> Result<u32, ToolError> {
    #[once(at_least)]
    let first = call(cx).await?;
    #[once(at_most)]
    let second = call(cx).await?;
    #[once(at_least, name = "call")]
    let third = other(cx).await?;
    Ok(first + second + third)
}

fn main() {}
