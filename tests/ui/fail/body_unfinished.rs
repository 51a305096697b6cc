use durable_runtime::prelude::*;

/// Calls.
#[durable_tool]
async fn tool(cx: &DurableContext, #[arg(default = 1)] number: u32) -> Result<u32, ToolError> {
    let number =
}

fn main() {
    let _ = Server::builder("tools", "1.0.0").tool(tool);
}
