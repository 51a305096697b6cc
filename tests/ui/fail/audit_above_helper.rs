use durable_runtime::prelude::*;

#[audit("users")]
#[durable]
async fn helper(cx: &DurableContext) -> u64 {
    cx.random()
}

/// Calls.
#[durable_tool]
async fn tool(cx: &DurableContext) -> Result<u64, ToolError> {
    Ok(helper(cx).await)
}

fn main() {
    let _ = tool;
}
