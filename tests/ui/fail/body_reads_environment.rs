use durable_runtime::prelude::*;

/// Reads a setting late.
#[durable_tool]
async fn tool(cx: &DurableContext) -> Result<(), ToolError> {
    let url = std::env::var("BANK_URL");
    let _ = url;
    let _ = cx;
    Ok(())
}

fn main() {}
