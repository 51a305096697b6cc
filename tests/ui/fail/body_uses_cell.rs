use durable_runtime::prelude::*;

thread_local! {
    static CALLS: std::cell::Cell<u32> = const { std::cell::Cell::new(0) };
}

static FIRST: std::sync::OnceLock<u32> = std::sync::OnceLock::new();

/// Calls.
#[durable_tool]
async fn tool(_cx: &DurableContext, number: u32) -> Result<u32, ToolError> {
    let calls = CALLS.get();
    CALLS.set(calls + 1);
    let first = FIRST.get().copied();
    let number = first.unwrap_or(number);
    Ok(number)
}

fn main() {}
