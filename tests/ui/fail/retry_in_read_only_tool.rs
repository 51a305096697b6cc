use durable_runtime::prelude::*;

/// Has no steps.
#[durable_tool(read_only, retry(attempts = 3))]
async fn tool(cx: &ReadContext) -> Result<(), ToolError> {
    let _ = cx;
    Ok(())
}

fn main() {}
