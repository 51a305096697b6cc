use durable_runtime::prelude::*;

async fn call(_: &StepContext) -> Result<u32, ToolError> {
    Ok(1)
}

/// Calls.
#[durable_tool]
async fn tool(cx: &DurableContext) -> Result<u32, ToolError> {
    let mut count = 0;
    #[once(at_least, name = "counted")]
    let value = async {
        count += 1;
        call(cx).await
    }
    .await?;
    Ok(value + count)
}

fn main() {}
