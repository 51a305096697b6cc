use durable_runtime::prelude::*;

/// Pays.
#[durable_tool(idempotency = "args")]
async fn tool(cx: &DurableContext) -> Result<(), ToolError> {
    let _ = cx;
    Ok(())
}

fn main() {}
