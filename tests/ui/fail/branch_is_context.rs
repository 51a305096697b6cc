use durable_runtime::prelude::*;

#[durable]
async fn helper(_cx: &DurableContext) -> u32 {
    1
}

/// Calls.
#[durable_tool]
async fn tool(cx: &DurableContext) -> Result<u32, ToolError> {
    let (one, other) = join!(cx, helper(cx), helper(cx));
    Ok(one + other)
}

fn main() {}
