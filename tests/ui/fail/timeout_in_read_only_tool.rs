use durable_runtime::prelude::*;

/// Pays.
#[durable_tool(read_only, timeout = "1m")]
async fn tool(cx: &ReadContext, order_id: u32) -> Result<(), ToolError> {
    let _ = (cx, order_id);
    Ok(())
}

fn main() {}
