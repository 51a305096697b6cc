use durable_runtime::prelude::*;

/// Counts.
#[durable_tool]
async fn count(_cx: &DurableContext, #[arg(header = "a region")] region: String) -> Result<String, ToolError> {
    Ok(region)
}

fn main() {}
