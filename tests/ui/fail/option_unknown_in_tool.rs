use durable_runtime::prelude::*;

/// Calls.
#[durable_tool(readonly, retries = 5)]
async fn tool(_cx: &ReadContext) -> Result<u32, ToolError> {
    Ok(1)
}

fn main() {}
