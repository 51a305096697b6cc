use durable_runtime::prelude::*;

/// Counts.
#[durable_tool(on_disconnect = "cancel")]
async fn count(_cx: &DurableContext) -> Result<u32, ToolError> {
    Ok(1)
}

fn main() {}
