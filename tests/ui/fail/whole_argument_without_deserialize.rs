use durable_runtime::prelude::*;
use schemars::JsonSchema;

#[derive(JsonSchema)]
struct NewUser {
    #[allow(dead_code)]
    name: String,
}

/// Takes a type that cannot be read.
#[durable_tool]
async fn tool(cx: &DurableContext, #[args] _input: NewUser) -> Result<(), ToolError> {
    let _ = cx;
    Ok(())
}

fn main() {}
