use durable_runtime::prelude::*;

/// Calls.
#[durable_tool]
async fn tool(_cx: &DurableContext) -> Result<u32, ToolError>
where
    String: Clone,
{
    Ok(1)
}

fn main() {}
