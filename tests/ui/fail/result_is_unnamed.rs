use durable_runtime::prelude::*;

/// Calls.
#[durable_tool]
async fn tool(_cx: &DurableContext) -> Result<impl serde::Serialize, ToolError> {
    Ok(1)
}

fn main() {}
