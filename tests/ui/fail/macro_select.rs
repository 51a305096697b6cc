use durable_runtime::prelude::*;

/// Calls.
#[durable_tool]
async fn tool(cx: &DurableContext, number: u32) -> Result<u32, ToolError> {
    tokio::select! {
        () = async {} => {}
        () = async {} => {}
    }
    Ok(number)
}

fn main() {}
