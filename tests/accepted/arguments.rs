//! Forms of arguments, and the options of tools that are about them and about hints.

#![deny(warnings)]
#![warn(clippy::pedantic)]
#![allow(clippy::unused_async)]

use durable_runtime::prelude::*;
use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewUser {
    /// The name to sign in with.
    user_name: String,
    #[serde(default)]
    bio: Option<String>,
}

/// Takes one type with all arguments.
#[durable_tool(destructive = false, open_world)]
async fn whole(cx: &DurableContext, #[args] input: NewUser) -> Result<usize, ToolError> {
    let _ = cx.invocation();
    Ok(input.user_name.len() + input.bio.map_or(0, |bio| bio.len()))
}

/// Renames.
#[durable_tool(rename_all = "camelCase", destructive, open_world = false)]
async fn renamed(
    cx: &DurableContext,
    user_name: String,
    #[arg(rename = "max-count", default = 3)] limit: usize,
    r#type: Option<String>,
) -> Result<usize, ToolError> {
    let _ = cx.invocation();
    Ok(user_name.len() + limit + r#type.map_or(0, |r#type| r#type.len()))
}

async fn flaky(_: &StepContext) -> Result<u8, ToolError> {
    Ok(1)
}

async fn sure(_: &StepContext) -> u8 {
    1
}

/// Retries all its steps alike.
#[durable_tool(retry(attempts = 9, initial = "10ms"))]
async fn retrying(cx: &DurableContext) -> Result<u8, ToolError> {
    #[once(at_least)]
    let one = flaky(cx).await?;
    #[once(at_most, name = "never again")]
    let two = flaky(cx).await?;
    #[once(at_least, name = "its own", retry(attempts = 1))]
    let three = flaky(cx).await?;
    #[once(at_least, infallible)]
    let four = sure(cx).await;
    Ok(one + two + three + four)
}

#[test]
fn is_accepted() {
    let tools = durable_runtime::tools![whole, renamed, self::retrying];
    assert_eq!(tools.len(), 3);
    assert!(tools![].is_empty());
}
