use durable_runtime::prelude::*;

/// Writes names in a way of its own.
#[durable_tool(rename_all = "camel")]
async fn tool(cx: &DurableContext, _user_name: String) -> Result<(), ToolError> {
    let _ = cx;
    Ok(())
}

fn main() {}
