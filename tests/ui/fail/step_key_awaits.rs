use durable_runtime::prelude::*;

async fn call(_: &StepContext, number: u32) -> Result<u32, ToolError> {
    Ok(number)
}

async fn find(_: &DurableContext) -> Result<u32, ToolError> {
    Ok(1)
}

/// Calls.
#[durable_tool]
async fn tool(cx: &DurableContext) -> Result<u32, ToolError> {
    let mut sum = 0;
    for number in 0..3 {
        #[once(at_least, key = find(cx).await?)]
        let value = call(cx, number).await?;
        sum += value;
    }
    Ok(sum)
}

fn main() {}
