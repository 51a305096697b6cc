//! The prompts.

use durable_runtime::prelude::*;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::content::PNG;

/// A prompt without arguments.
#[durable_prompt]
pub(crate) async fn test_simple_prompt(_cx: &ReadContext) -> Result<Vec<PromptMessage>, ToolError> {
    Ok(vec![PromptMessage::user("This is a simple prompt for testing.")])
}

fn words(typed: &str) -> Vec<String> {
    ["paris", "park", "party"].into_iter().filter(|word| word.starts_with(typed)).map(str::to_owned).collect()
}

/// A prompt with two arguments.
#[durable_prompt]
pub(crate) async fn test_prompt_with_arguments(
    _cx: &ReadContext,
    /// First test argument
    #[arg(complete = words)]
    arg1: String,
    /// Second test argument
    arg2: String,
) -> Result<Vec<PromptMessage>, ToolError> {
    Ok(vec![PromptMessage::user(format!("Prompt with arguments: arg1='{arg1}', arg2='{arg2}'"))])
}

/// A prompt with a resource in it.
#[durable_prompt(rename_all = "camelCase")]
pub(crate) async fn test_prompt_with_embedded_resource(
    _cx: &ReadContext,
    /// URI of the resource to embed
    resource_uri: String,
) -> Result<Vec<PromptMessage>, ToolError> {
    let resource = Content::resource(resource_uri, "text/plain", "Embedded resource content for testing.".into());
    Ok(vec![PromptMessage::user(resource), PromptMessage::user("Please process the embedded resource above.")])
}

/// A prompt with an image in it.
#[durable_prompt]
pub(crate) async fn test_prompt_with_image(_cx: &ReadContext) -> Result<Vec<PromptMessage>, ToolError> {
    Ok(vec![
        PromptMessage::user(Content::image(PNG, "image/png")),
        PromptMessage::user("Please analyze the image above."),
    ])
}

#[derive(Debug, Deserialize, JsonSchema)]
struct Context {
    context: String,
}

/// A prompt that asks what it is about.
#[durable_prompt]
pub(crate) async fn test_input_required_result_prompt(cx: &DurableContext) -> Result<Vec<PromptMessage>, ToolError> {
    let answer = cx.elicit::<Context>("What context should the prompt use?").named("user_context").await.accepted()?;
    Ok(vec![PromptMessage::user(format!("Use this context: {}", answer.context))])
}
