use durable_runtime::prelude::*;

/// Counts.
#[durable_tool(task = "sometimes")]
async fn count(_cx: &DurableContext) -> Result<u32, ToolError> {
    Ok(1)
}

fn main() {}
