use durable_runtime::prelude::*;

/// Destroys nothing.
#[durable_tool(read_only, destructive)]
async fn tool(cx: &ReadContext) -> Result<(), ToolError> {
    let _ = cx;
    Ok(())
}

fn main() {}
