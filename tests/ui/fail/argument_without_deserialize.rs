use durable_runtime::prelude::*;

#[derive(schemars::JsonSchema)]
struct Name(String);

/// Calls.
#[durable_tool]
async fn tool(_cx: &DurableContext, name: Name) -> Result<u32, ToolError> {
    Ok(name.0.len() as u32)
}

fn main() {}
