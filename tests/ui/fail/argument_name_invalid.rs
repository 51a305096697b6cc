use durable_runtime::prelude::*;

/// Has a name with a space.
#[durable_tool]
async fn tool(cx: &DurableContext, #[arg(rename = "user name")] _name: String) -> Result<(), ToolError> {
    let _ = cx;
    Ok(())
}

fn main() {}
