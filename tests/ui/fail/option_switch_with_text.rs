use durable_runtime::prelude::*;

/// Is not sure.
#[durable_tool(open_world = "no")]
async fn tool(cx: &DurableContext) -> Result<(), ToolError> {
    let _ = cx;
    Ok(())
}

fn main() {}
