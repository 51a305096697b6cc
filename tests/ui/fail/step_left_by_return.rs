use durable_runtime::prelude::*;

async fn call(_: &StepContext, number: u32) -> Result<u32, ToolError> {
    Ok(number)
}

fn early() -> bool {
    false
}

/// Calls.
#[durable_tool]
async fn tool(cx: &DurableContext) -> Result<u32, ToolError> {
    #[once(at_least)]
    let value = call(cx, if early() { return Ok(0) } else { 1 }).await?;
    Ok(value)
}

fn main() {}
