use durable_runtime::prelude::*;

/// Calls.
#[durable]
#[durable_tool]
async fn helper(cx: &DurableContext) -> Result<u32, ToolError> {
    Ok(1)
}

fn main() {}
