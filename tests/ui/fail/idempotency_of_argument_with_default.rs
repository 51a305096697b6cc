use durable_runtime::prelude::*;

/// Pays.
#[durable_tool(idempotency = "count")]
async fn tool(cx: &DurableContext, order_id: u32, #[arg(default = 1)] count: u32) -> Result<(), ToolError> {
    let _ = (cx, order_id, count);
    Ok(())
}

fn main() {}
