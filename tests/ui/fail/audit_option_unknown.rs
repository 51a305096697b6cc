use durable_runtime::prelude::*;

/// Calls.
#[durable_tool]
#[audit("users", redcat(password))]
async fn tool(_cx: &DurableContext, password: String) -> Result<usize, ToolError> {
    Ok(password.len())
}

fn main() {
    let _ = tool;
}
