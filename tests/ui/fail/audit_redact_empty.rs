use durable_runtime::prelude::*;

/// Calls.
#[durable_tool]
#[audit("users", redact())]
async fn tool(_cx: &DurableContext, password: String) -> Result<usize, ToolError> {
    Ok(password.len())
}

fn main() {
    let _ = tool;
}
