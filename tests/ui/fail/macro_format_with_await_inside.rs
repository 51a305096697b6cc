use durable_runtime::prelude::*;

/// Calls.
#[durable_tool]
async fn tool(cx: &DurableContext, number: u32) -> Result<u32, ToolError> {
    let text = format!("{}", std::future::ready(number).await);
    println!("{text} {}", { std::future::ready(number).await });
    Ok(number)
}

fn main() {}
