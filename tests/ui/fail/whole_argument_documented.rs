use durable_runtime::prelude::*;
use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Deserialize, JsonSchema)]
struct NewUser {
    name: String,
}

/// Creates a user.
#[durable_tool]
async fn tool(
    _cx: &DurableContext,
    /// Who is created.
    #[args]
    input: NewUser,
) -> Result<String, ToolError> {
    Ok(input.name)
}

fn main() {}
