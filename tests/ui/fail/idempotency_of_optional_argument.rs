use durable_runtime::prelude::*;

/// Pays.
#[durable_tool(idempotency = "note")]
async fn tool(cx: &DurableContext, order_id: u32, note: Option<String>) -> Result<(), ToolError> {
    let _ = (cx, order_id, note);
    Ok(())
}

fn main() {}
