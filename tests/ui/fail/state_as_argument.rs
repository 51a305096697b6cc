use durable_runtime::prelude::*;

/// Asks clients for what the server has.
#[durable_tool]
async fn tool(cx: &DurableContext, #[args] _bank: State<u8>) -> Result<(), ToolError> {
    let _ = cx;
    Ok(())
}

fn main() {}
