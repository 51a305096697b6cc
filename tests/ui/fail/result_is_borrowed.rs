use durable_runtime::prelude::*;

/// Calls.
#[durable_tool]
async fn tool(_cx: &DurableContext, name: String) -> Result<&str, ToolError> {
    Ok("")
}

fn main() {}
