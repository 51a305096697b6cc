use durable_runtime::prelude::*;

static CACHE: std::sync::LazyLock<std::sync::Mutex<Vec<u32>>> = std::sync::LazyLock::new(Default::default);

/// Calls.
#[durable_tool]
async fn tool(_cx: &DurableContext, number: u32) -> Result<u32, ToolError> {
    CACHE.lock().expect("no panic").push(number);
    Ok(number)
}

fn main() {}
