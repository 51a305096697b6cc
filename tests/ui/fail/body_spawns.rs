use durable_runtime::prelude::*;

/// Starts something beside itself.
#[durable_tool]
async fn tool(cx: &DurableContext) -> Result<(), ToolError> {
    tokio::spawn(async {});
    std::thread::spawn(|| {});
    let _ = cx;
    Ok(())
}

fn main() {}
