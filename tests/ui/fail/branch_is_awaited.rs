use durable_runtime::prelude::*;

async fn call(_: &StepContext) -> Result<u32, ToolError> {
    Ok(1)
}

#[durable]
async fn helper(_cx: &DurableContext) -> u32 {
    1
}

/// Calls.
#[durable_tool]
async fn tool(cx: &DurableContext) -> Result<u32, ToolError> {
    let _ = join!(helper(cx).await, helper(cx));
    Ok(1)
}

fn main() {}
