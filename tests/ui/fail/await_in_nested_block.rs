use durable_runtime::prelude::*;

/// Calls.
#[durable_tool]
async fn tool(cx: &DurableContext, number: u32) -> Result<u32, ToolError> {
    if number > 1 {
        match number {
            2 => {
                std::future::ready(()).await;
            }
            _ => {}
        }
    }
    Ok(number)
}

fn main() {}
