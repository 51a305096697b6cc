use durable_runtime::prelude::*;
use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Deserialize, JsonSchema)]
struct NewUser {
    #[allow(dead_code)]
    name: String,
}

/// Renames what it does not name.
#[durable_tool(rename_all = "camelCase")]
async fn tool(cx: &DurableContext, #[args] _input: NewUser) -> Result<(), ToolError> {
    let _ = cx;
    Ok(())
}

fn main() {}
