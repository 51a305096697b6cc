use durable_runtime::prelude::*;

async fn call(_: &StepContext) -> Result<u32, ToolError> {
    Ok(1)
}

/// Calls.
#[durable_tool]
async fn tool(cx: &DurableContext) -> Result<u32, ToolError> {
    match 1 {
        #[once(at_least)]
        1 => Ok(1),
        other => Ok(other),
    }
}

fn main() {}
