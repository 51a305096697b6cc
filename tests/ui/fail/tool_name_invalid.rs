use durable_runtime::prelude::*;

/// Calls.
#[durable_tool(name = "create user")]
async fn tool(_cx: &DurableContext) -> Result<u32, ToolError> {
    Ok(1)
}

fn main() {}
