use durable_runtime::prelude::*;

async fn call(_: &StepContext) -> u32 {
    1
}

/// Calls.
#[durable_tool]
async fn tool(cx: &DurableContext) -> Result<u32, ToolError> {
    #[once(at_most)]
    let value = call(cx).await;
    Ok(value)
}

fn main() {}
