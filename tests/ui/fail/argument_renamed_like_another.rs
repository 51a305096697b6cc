use durable_runtime::prelude::*;

/// Has two arguments of one name.
#[durable_tool]
async fn tool(cx: &DurableContext, _first: u8, #[arg(rename = "_first")] _second: u8) -> Result<(), ToolError> {
    let _ = cx;
    Ok(())
}

fn main() {}
