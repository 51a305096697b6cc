use durable_runtime::prelude::*;

#[durable]
async fn helper(_cx: &DurableContext) -> Result<u32, ToolError> {
    Ok(1)
}

/// Calls.
#[durable_tool]
async fn tool(cx: &DurableContext) -> Result<u32, ToolError> {
    use tokio::try_join;
    let (one, other) = try_join!(helper(cx), helper(cx))?;
    Ok(one + other)
}

fn main() {}
