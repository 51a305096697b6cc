use durable_runtime::prelude::*;

async fn charge(_: &StepContext) -> Result<(), ToolError> {
    Ok(())
}

/// Pays.
#[durable_tool(idempotent, idempotency = "undelivered")]
async fn tool(cx: &DurableContext) -> Result<(), ToolError> {
    #[once(at_most)]
    charge(cx).await?;
    Ok(())
}

fn main() {}
