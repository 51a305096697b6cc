use durable_runtime::prelude::*;
use std::time::Instant;

/// Logs the time.
#[durable_tool]
async fn tool(cx: &DurableContext) -> Result<(), ToolError> {
    println!("{:?}", Instant::now());
    let at = serde_json::json!({ "at": [format!("{:?}", Instant::now())] });
    let _ = at;
    let _ = cx;
    Ok(())
}

fn main() {}
