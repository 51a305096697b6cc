use durable_runtime::prelude::*;

/// Counts.
#[durable_tool(read_only, task = "required")]
async fn count(_cx: &ReadContext) -> Result<u32, ToolError> {
    Ok(1)
}

fn main() {}
