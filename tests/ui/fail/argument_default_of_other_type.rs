use durable_runtime::prelude::*;

/// Calls.
#[durable_tool]
async fn tool(
    _cx: &DurableContext,
    #[arg(default = "ten")] count: u32,
    #[arg(default = 1)] name: String,
) -> Result<u32, ToolError> {
    Ok(count + name.len() as u32)
}

fn main() {}
