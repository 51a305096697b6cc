use durable_runtime::prelude::*;

/// Calls.
#[durable_tool]
async fn tool(
    _cx: &DurableContext,
    #[serde(default)] first: u32,
    #[schemars(range(min = 1))] second: u32,
) -> Result<u32, ToolError> {
    Ok(first + second)
}

fn main() {}
