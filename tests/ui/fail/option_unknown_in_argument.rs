use durable_runtime::prelude::*;

/// Calls.
#[durable_tool]
async fn tool(_cx: &DurableContext, #[arg(defualt = 1)] count: u32) -> Result<u32, ToolError> {
    Ok(count)
}

fn main() {}
