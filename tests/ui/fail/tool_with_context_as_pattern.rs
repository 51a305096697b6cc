use durable_runtime::prelude::*;

/// Calls.
#[durable_tool]
async fn tool(_: &DurableContext) -> Result<u32, ToolError> {
    Ok(1)
}

fn main() {}
