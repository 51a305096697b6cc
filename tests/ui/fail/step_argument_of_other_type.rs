use durable_runtime::prelude::*;

async fn call(_: &StepContext, name: &str) -> Result<usize, ToolError> {
    Ok(name.len())
}

/// Calls.
#[durable_tool]
async fn tool(cx: &DurableContext) -> Result<usize, ToolError> {
    #[once(at_least)]
    let value = call(cx, 1).await?;
    Ok(value)
}

fn main() {}
