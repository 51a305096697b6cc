use durable_runtime::prelude::*;

/// Calls.
#[durable_tool]
async fn tool(_cx: &DurableContext, #[arg] left: u32, #[arg()] right: u32) -> Result<u32, ToolError> {
    Ok(left + right)
}

fn main() {}
