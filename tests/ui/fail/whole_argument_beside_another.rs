use durable_runtime::prelude::*;
use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Deserialize, JsonSchema)]
struct NewUser {
    #[allow(dead_code)]
    name: String,
}

/// Has one argument too many.
#[durable_tool]
async fn tool(cx: &DurableContext, #[args] _input: NewUser, _count: u8) -> Result<(), ToolError> {
    let _ = cx;
    Ok(())
}

fn main() {}
