use durable_runtime::prelude::*;

#[derive(serde::Serialize)]
struct Value(u32);

/// Calls.
#[durable_tool]
async fn tool(_cx: &DurableContext) -> Result<Value, ToolError> {
    Ok(Value(1))
}

fn main() {}
