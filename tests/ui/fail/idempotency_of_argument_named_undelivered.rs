use durable_runtime::prelude::*;

/// Pays.
#[durable_tool(idempotency = "undelivered")]
async fn tool(cx: &DurableContext, undelivered: bool) -> Result<(), ToolError> {
    let _ = (cx, undelivered);
    Ok(())
}

fn main() {}
