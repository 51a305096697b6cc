//! Prompts: what a person chooses to begin a conversation with.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::content::Content;
use crate::tool::Tool;

/// What stands in front of a prompt's name where prompts and tools are beside each other. No tool has a name with a colon.
pub(crate) const PREFIX: &str = "prompt:";

/// A prompt. `#[durable_prompt]` implements it.
pub trait Prompt: Tool {}

/// A message of a prompt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PromptMessage {
    role: Role,
    content: Content,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Role {
    User,
    Assistant,
}

impl PromptMessage {
    /// One that the person says.
    pub fn user(content: impl Into<Content>) -> Self {
        Self { role: Role::User, content: content.into() }
    }

    /// One that the model says.
    pub fn assistant(content: impl Into<Content>) -> Self {
        Self { role: Role::Assistant, content: content.into() }
    }
}
