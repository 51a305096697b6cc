use durable_runtime::prelude::*;
use std::time::SystemTime;

/// Asks the machine for the time.
#[durable_tool]
async fn tool(cx: &DurableContext) -> Result<(), ToolError> {
    let started = SystemTime::now();
    println!("{started:?} {:?}", std::time::Instant::now());
    let _ = cx;
    Ok(())
}

fn main() {}
