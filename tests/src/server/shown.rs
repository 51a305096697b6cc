//! A prompt, resources and content.

use durable_runtime::prelude::*;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::witness::effect;

fn words(typed: &str) -> Vec<String> {
    (0..150).map(|number| format!("word{number}")).filter(|word| word.starts_with(typed)).collect()
}

#[derive(Debug, Deserialize, JsonSchema)]
struct Topic {
    topic: String,
}

async fn fetch(cx: &StepContext) -> Result<String, ToolError> {
    effect(cx, "fetch").await?;
    Ok("something".to_owned())
}

/// Asks about a topic.
#[durable_prompt]
pub(crate) async fn ask_about(
    cx: &DurableContext,
    /// How many sentences.
    sentences: u32,
    #[arg(complete = words, default = "plain")] style: String,
) -> Result<Vec<PromptMessage>, ToolError> {
    #[once(at_most)]
    let fetched = fetch(cx).await?;
    let topic = cx.elicit::<Topic>("What about?").named("topic").await.accepted()?.topic;
    Ok(vec![PromptMessage::user(format!("In {sentences} {style} sentences about {topic}: {fetched}"))])
}

/// A number.
#[durable_resource(uri = "test://number/{number}", mime_type = "text/plain", cache = "2s")]
pub(crate) async fn number(_cx: &ReadContext, number: u32) -> Result<ResourceContents, ToolError> {
    if number == 13 {
        return Err(ToolError::new("not this one"));
    }
    Ok(number.to_string().into())
}

/// Zero.
#[durable_resource(uri = "test://number/0")]
pub(crate) async fn zero(_cx: &ReadContext) -> Result<ResourceContents, ToolError> {
    Ok(ResourceContents::bytes(&[0]))
}

/// Shows a picture, in a call that is journaled.
#[durable_tool]
pub(crate) async fn shows(cx: &DurableContext) -> Result<Vec<Content>, ToolError> {
    #[once(at_most)]
    let text = fetch(cx).await?;
    Ok(vec![Content::text(text), Content::image(b"png", "image/png")])
}

/// Refuses the request.
#[durable_tool]
pub(crate) async fn refuses(_cx: &DurableContext) -> Result<(), ToolError> {
    Err(ToolError::protocol("not today"))
}
