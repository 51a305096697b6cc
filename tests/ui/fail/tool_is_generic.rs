use durable_runtime::prelude::*;

/// Calls.
#[durable_tool]
async fn tool<T>(_cx: &DurableContext, value: T) -> Result<u32, ToolError> {
    drop(value);
    Ok(1)
}

fn main() {}
