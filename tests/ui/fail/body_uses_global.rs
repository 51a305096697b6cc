use durable_runtime::prelude::*;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

static CALLS: AtomicU64 = AtomicU64::new(0);
static NAMES: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Counts its calls.
#[durable_tool]
async fn tool(cx: &DurableContext) -> Result<(), ToolError> {
    let call = CALLS.fetch_add(1, Ordering::Relaxed);
    let names = NAMES.lock().is_ok();
    let _ = (call, names);
    let _ = cx;
    Ok(())
}

fn main() {}
