use durable_runtime::prelude::*;

/// Counts.
#[durable_tool(requires(sampling, tasks))]
async fn count(_cx: &DurableContext) -> Result<u32, ToolError> {
    Ok(1)
}

fn main() {}
