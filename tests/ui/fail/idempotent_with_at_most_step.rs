use durable_runtime::prelude::*;

async fn charge(_: &StepContext, _: u32) -> Result<(), ToolError> {
    Ok(())
}

/// Pays.
#[durable_tool(idempotent)]
async fn tool(cx: &DurableContext, order_id: u32) -> Result<(), ToolError> {
    #[once(at_most)]
    charge(cx, order_id).await?;
    Ok(())
}

fn main() {}
