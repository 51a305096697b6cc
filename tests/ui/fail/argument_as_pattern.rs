use durable_runtime::prelude::*;

/// Calls.
#[durable_tool]
async fn tool(_cx: &DurableContext, (left, right): (u32, u32)) -> Result<u32, ToolError> {
    Ok(left + right)
}

fn main() {}
