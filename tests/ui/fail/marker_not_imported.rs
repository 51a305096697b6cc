use durable_runtime::{DurableContext, StepContext, ToolError, durable_tool};

async fn call(_: &StepContext) -> Result<u32, ToolError> {
    Ok(1)
}

/// Calls.
#[durable_tool]
async fn tool(cx: &DurableContext) -> Result<u32, ToolError> {
    #[once(at_least)]
    call(cx).await
}

fn main() {}
