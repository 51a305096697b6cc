use durable_runtime::prelude::*;

/// Pays.
#[durable_tool(read_only, idempotency = "order_id")]
async fn tool(cx: &ReadContext, order_id: u32) -> Result<(), ToolError> {
    let _ = (cx, order_id);
    Ok(())
}

fn main() {}
