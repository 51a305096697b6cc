use durable_runtime::prelude::*;
use serde::Deserialize;

#[derive(Deserialize)]
struct NewUser {
    #[allow(dead_code)]
    name: String,
}

/// Takes a type that clients cannot be told of.
#[durable_tool]
async fn tool(cx: &DurableContext, #[args] _input: NewUser) -> Result<(), ToolError> {
    let _ = cx;
    Ok(())
}

fn main() {}
