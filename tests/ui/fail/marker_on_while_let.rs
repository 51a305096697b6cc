use durable_runtime::prelude::*;

async fn call(_: &StepContext) -> Result<u32, ToolError> {
    Ok(1)
}

/// Calls.
#[durable_tool]
async fn tool(cx: &DurableContext, number: u32) -> Result<u32, ToolError> {
    #[once(at_least, key = number)]
    while let Ok(1) = call(cx).await {}
    Ok(number)
}

fn main() {}
