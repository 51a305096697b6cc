use durable_runtime::prelude::*;
use std::rc::Rc;

async fn call(_: &StepContext) -> Result<u32, ToolError> {
    Ok(1)
}

/// Calls.
#[durable_tool]
async fn tool(cx: &DurableContext) -> Result<u32, ToolError> {
    let shared = Rc::new(1);
    #[once(at_least)]
    let value = call(cx).await?;
    Ok(value + *shared)
}

fn main() {}
