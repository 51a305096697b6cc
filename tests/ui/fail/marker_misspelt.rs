use durable_runtime::prelude::*;

/// Calls.
#[durable_tool]
async fn tool(_cx: &DurableContext, number: u32) -> Result<u32, ToolError> {
    #[onces(at_least)]
    let _ = 1;
    Ok(number)
}

fn main() {}
