use durable_runtime::prelude::*;

async fn call(_: &StepContext, name: String) -> Result<u32, ToolError> {
    Ok(name.len() as u32)
}

/// Calls.
#[durable_tool]
async fn tool(cx: &DurableContext, name: String) -> Result<u32, ToolError> {
    #[once(at_least)]
    let value = call(cx, name).await?;
    Ok(value)
}

fn main() {}
