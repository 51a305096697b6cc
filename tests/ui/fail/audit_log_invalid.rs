use durable_runtime::prelude::*;

/// Calls.
#[audit("user operations")]
#[durable_tool]
async fn tool(_cx: &DurableContext, password: String) -> Result<usize, ToolError> {
    Ok(password.len())
}

fn main() {
    let _ = tool;
}
