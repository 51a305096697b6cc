use durable_runtime::prelude::*;

async fn call(_: &StepContext, number: u32) -> Result<u32, ToolError> {
    Ok(number)
}

/// Calls.
#[durable_tool]
async fn tool(cx: &DurableContext) -> Result<u32, ToolError> {
    #[once(at_least)]
    let value = call(
        cx,
        #[once(at_least, name = "inner")]
        call(cx, 1).await?,
    )
    .await?;
    Ok(value)
}

fn main() {}
