//! The tools of the server `bench`: five trivial steps of either kind, and one that only reads. What they cost is what the
//! framework costs.

use durable_runtime::prelude::*;
use schemars::JsonSchema;
use serde::Serialize;

use crate::witness::effect;

/// What each of the tools gives.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Done {
    status: &'static str,
    text: String,
}

impl Done {
    /// A result with this text.
    pub fn with(text: String) -> Self {
        Self { status: "success", text }
    }
}

async fn work(cx: &StepContext, name: &str, number: u32) -> Result<String, ToolError> {
    Ok(effect(cx, async { format!("{name} {number}") }).await)
}

/// Does five trivial at-least-once steps.
#[durable_tool]
pub async fn five_at_least(
    cx: &DurableContext,
    /// A text that comes back.
    name: String,
) -> Result<Done, ToolError> {
    #[once(at_least, name = "first")]
    let _text = work(cx, &name, 1).await?;
    #[once(at_least, name = "second")]
    let _text = work(cx, &name, 2).await?;
    #[once(at_least, name = "third")]
    let _text = work(cx, &name, 3).await?;
    #[once(at_least, name = "fourth")]
    let _text = work(cx, &name, 4).await?;
    #[once(at_least, name = "fifth")]
    let text = work(cx, &name, 5).await?;
    Ok(Done::with(text))
}

/// Does five trivial at-most-once steps.
#[durable_tool]
pub async fn five_at_most(
    cx: &DurableContext,
    /// A text that comes back.
    name: String,
) -> Result<Done, ToolError> {
    #[once(at_most, name = "first")]
    let _text = work(cx, &name, 1).await?;
    #[once(at_most, name = "second")]
    let _text = work(cx, &name, 2).await?;
    #[once(at_most, name = "third")]
    let _text = work(cx, &name, 3).await?;
    #[once(at_most, name = "fourth")]
    let _text = work(cx, &name, 4).await?;
    #[once(at_most, name = "fifth")]
    let text = work(cx, &name, 5).await?;
    Ok(Done::with(text))
}

/// Answers without an effect.
#[durable_tool(read_only)]
pub async fn read_only(
    _cx: &ReadContext,
    /// A text that comes back.
    name: String,
) -> Result<Done, ToolError> {
    Ok(Done::with(format!("{name} 5")))
}
