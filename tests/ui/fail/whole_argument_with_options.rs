use durable_runtime::prelude::*;
use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Deserialize, JsonSchema)]
struct NewUser {
    #[allow(dead_code)]
    name: String,
}

/// Says what the type says.
#[durable_tool]
async fn tool(cx: &DurableContext, #[args] #[arg(default = NewUser::default())] _input: NewUser) -> Result<(), ToolError> {
    let _ = cx;
    Ok(())
}

fn main() {}
