use durable_runtime::prelude::*;

/// Pays.
#[durable_tool(idempotency = "args")]
async fn tool(cx: &DurableContext, args: Vec<String>) -> Result<(), ToolError> {
    let _ = (cx, args);
    Ok(())
}

fn main() {}
