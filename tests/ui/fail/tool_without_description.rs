use durable_runtime::prelude::*;

#[durable_tool]
async fn tool(_cx: &DurableContext) -> Result<u32, ToolError> {
    Ok(1)
}

fn main() {}
