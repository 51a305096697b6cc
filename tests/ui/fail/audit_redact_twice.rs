use durable_runtime::prelude::*;

/// Calls.
#[audit("users", redact(password, password))]
#[durable_tool]
async fn tool(_cx: &DurableContext, password: String) -> Result<usize, ToolError> {
    Ok(password.len())
}

fn main() {
    let _ = tool;
}
