use durable_runtime::prelude::*;

async fn call(_: &StepContext) -> Result<u32, ToolError> {
    Ok(1)
}

/// Calls.
#[durable_tool]
async fn tool(cx: &DurableContext) -> Result<u32, ToolError> {
    let value;
    #[once(at_least)]
    let unset;
    value = 1;
    unset = value;
    Ok(unset)
}

fn main() {}
