use durable_runtime::prelude::*;

/// Pays.
#[durable_tool(timeout = "0s")]
async fn tool(cx: &DurableContext, order_id: u32) -> Result<(), ToolError> {
    let _ = (cx, order_id);
    Ok(())
}

fn main() {}
