use durable_runtime::prelude::*;

/// Calls.
#[durable_tool]
async fn tool(_cx: &DurableContext, number: u32) -> Result<u32, ToolError> {
    std::thread::spawn(|| ());
    tokio::task::spawn_blocking(|| ());
    std::thread::scope(|_| ());
    Ok(number)
}

fn main() {}
