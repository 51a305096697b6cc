use durable_runtime::prelude::*;

async fn call(_: &StepContext, words: &mut Vec<String>) -> Result<u32, ToolError> {
    words.push(String::new());
    Ok(1)
}

/// Calls.
#[durable_tool]
async fn tool(cx: &DurableContext) -> Result<u32, ToolError> {
    let mut words = Vec::new();
    #[once(at_least)]
    let value = call(cx, &mut words).await?;
    Ok(value)
}

fn main() {}
