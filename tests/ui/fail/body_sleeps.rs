use durable_runtime::prelude::*;
use std::time::Duration;

/// Waits for a second that a restart forgets.
#[durable_tool]
async fn tool(cx: &DurableContext) -> Result<(), ToolError> {
    tokio::time::sleep(Duration::from_secs(1)).await;
    std::thread::sleep(Duration::from_secs(1));
    let _ = cx;
    Ok(())
}

fn main() {}
