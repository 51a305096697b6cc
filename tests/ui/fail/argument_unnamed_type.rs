use durable_runtime::prelude::*;

/// Calls.
#[durable_tool]
async fn tool(_cx: &DurableContext, name: impl Into<String>) -> Result<u32, ToolError> {
    Ok(name.into().len() as u32)
}

fn main() {}
