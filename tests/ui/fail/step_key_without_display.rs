use durable_runtime::prelude::*;

async fn call(_: &StepContext) -> Result<u32, ToolError> {
    Ok(1)
}

/// Calls.
#[durable_tool]
async fn tool(cx: &DurableContext) -> Result<u32, ToolError> {
    let mut sum = 0;
    for number in [Some(1), None] {
        #[once(at_least, key = number)]
        let value = call(cx).await?;
        sum += value;
    }
    Ok(sum)
}

fn main() {}
