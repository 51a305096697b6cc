use durable_runtime::prelude::*;

/// Calls.
#[durable_tool]
async fn tool(
    _cx: &DurableContext,
    #[arg(default = 1)]
    #[arg(default = 2)]
    count: u32,
) -> Result<u32, ToolError> {
    Ok(count)
}

fn main() {}
