//! Forms of tools: their options, their parameters, their visibility, and that they are values that go anywhere.

#![deny(warnings)]
#![warn(clippy::pedantic)]
#![allow(clippy::needless_pass_by_value, clippy::unused_async)]

use durable_runtime::prelude::*;
use durable_runtime::{Body, Tool};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Tools of another module.
mod inner {
    use durable_runtime::prelude::*;

    /// Is seen by its parent.
    #[durable_tool]
    pub(super) async fn visible(cx: &DurableContext) -> Result<(), ToolError> {
        let _ = cx.invocation();
        Ok(())
    }
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Address {
    street: String,
    lines: Vec<String>,
}

#[durable_tool(name = "users.address-v2", title = "Address", description = "Says it again.")]
async fn address(
    cx: &DurableContext,
    address: Address,
    by_name: BTreeMap<String, Option<u8>>,
    r#type: String,
    mut count: usize,
    #[arg(default = 1.5)] factor: f64,
    #[arg(default = (1, 2))] pair: (u8, u8),
) -> Result<Address, ToolError> {
    count += by_name.len() + usize::from(pair.0) + r#type.len();
    let _ = (cx, count, factor);
    Ok(address)
}

/// Takes its context last, without using it.
#[durable_tool]
async fn context_last(name: String, _cx: &DurableContext) -> Result<String, ToolError> {
    Ok(name)
}

/// Takes its context by its full path.
#[durable_runtime::durable_tool]
async fn full_path(cx: &durable_runtime::DurableContext) -> std::result::Result<u8, durable_runtime::ToolError> {
    #[durable_runtime::once(at_least)]
    let one = one(cx).await?;
    Ok(one)
}

async fn one(_: &StepContext) -> Result<u8, ToolError> {
    Ok(1)
}

/// Exists in some builds only.
#[cfg(any())]
#[durable_tool]
async fn not_built(cx: &DurableContext) -> Result<Missing, ToolError> {
    missing(cx)
}

/// A step reads locals by reference, more than once, across attempts and across threads.
#[durable_tool]
async fn reads_locals(cx: &DurableContext, name: String) -> Result<String, ToolError> {
    let owned = vec![name];
    #[once(at_least, name = "joined")]
    let joined = async { Ok::<_, ToolError>(owned.join(" ")) }.await?;
    #[once(at_least, name = "cloned")]
    let cloned = consume(cx, owned.clone()).await?;
    let moved = owned;
    Ok(format!("{joined} {cloned} {}", moved.len()))
}

async fn consume(_: &StepContext, words: Vec<String>) -> Result<usize, ToolError> {
    Ok(words.len())
}

fn takes_tools(tools: Vec<Box<dyn Tool>>) -> usize {
    tools.len()
}

fn is_send<T: Send + 'static>() {}

#[test]
fn is_accepted() {
    is_send::<Body>();
    let tools: Vec<Box<dyn Tool>> = vec![
        Box::new(inner::visible()),
        Box::new(address()),
        Box::new(context_last()),
        Box::new(full_path()),
        Box::new(reads_locals()),
    ];
    assert_eq!(takes_tools(tools), 5);
    // A variable may have the name of a tool.
    let address = address();
    assert_eq!(address.definition().name(), "users.address-v2");
}
