use durable_runtime::prelude::*;

async fn call(_: &StepContext) -> Result<u32, ToolError> {
    Ok(1)
}

async fn find() -> Result<Reconciled<u32>, ToolError> {
    Ok(Reconciled::Unknown)
}

/// Calls.
#[durable_tool]
async fn tool(cx: &DurableContext) -> Result<u32, ToolError> {
    #[once(at_most, reconcile = find)]
    let value = call(cx).await?;
    Ok(value)
}

fn main() {}
