use durable_runtime::prelude::*;

/// Calls.
#[durable_tool]
async fn tool(_cx: &DurableContext, name: &str) -> Result<u32, ToolError> {
    Ok(name.len() as u32)
}

fn main() {}
