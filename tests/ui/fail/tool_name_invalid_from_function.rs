use durable_runtime::prelude::*;

/// Calls.
#[durable_tool]
async fn créer(_cx: &DurableContext) -> Result<u32, ToolError> {
    Ok(1)
}

fn main() {}
