use durable_runtime::prelude::*;

/// Has a name in another script.
#[durable_tool]
async fn tool(cx: &DurableContext, _größe: u8) -> Result<(), ToolError> {
    let _ = cx;
    Ok(())
}

fn main() {}
