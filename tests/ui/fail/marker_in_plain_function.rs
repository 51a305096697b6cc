use durable_runtime::prelude::*;

async fn call(_: &StepContext) -> Result<u32, ToolError> {
    Ok(1)
}

async fn plain(cx: &StepContext) -> Result<u32, ToolError> {
    #[once(at_least)]
    let value = call(cx).await?;
    let other = match #[once(at_least)] call(cx).await { other => other? };
    Ok(value + other)
}

fn main() {}
