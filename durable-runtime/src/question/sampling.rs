//! Questions to the client's model.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::FromResult;

/// What the client's model is asked.
///
/// ```
/// use durable_runtime::Sampling;
///
/// let sampling = Sampling::new("Summarize: ..", 200).system_prompt("You write one sentence.").temperature(0.2);
/// ```
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct Sampling {
    params: Value,
}

impl Sampling {
    /// A message of the user, and how many tokens the answer may have.
    pub fn new(prompt: impl Into<String>, max_tokens: u32) -> Self {
        let params = json!({ "messages": [message("user", prompt)], "maxTokens": max_tokens });
        Self { params }
    }

    /// Goes on with what the model had answered, and the user's next message.
    pub fn turn(mut self, answered: impl Into<String>, prompt: impl Into<String>) -> Self {
        if let Some(Value::Array(messages)) = self.params.get_mut("messages") {
            messages.extend([message("assistant", answered), message("user", prompt)]);
        }
        self
    }

    /// What the model is told before the messages.
    pub fn system_prompt(mut self, prompt: impl Into<String>) -> Self {
        self.params["systemPrompt"] = Value::String(prompt.into());
        self
    }

    /// How freely the model answers: 0 is the least.
    pub fn temperature(mut self, temperature: f32) -> Self {
        self.params["temperature"] = json!(temperature);
        self
    }

    pub(crate) fn into_request(self) -> Value {
        json!({ "method": "sampling/createMessage", "params": self.params })
    }
}

fn message(role: &str, text: impl Into<String>) -> Value {
    json!({ "role": role, "content": { "type": "text", "text": text.into() } })
}

/// What the client's model answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Sampled {
    /// The model, as the client names it.
    pub model: String,
    /// Why it stopped, as `endTurn` or `maxTokens`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_reason: Option<String>,
    /// The content as the protocol has it: one block or several.
    pub content: Value,
}

impl Sampled {
    /// The text of its content; empty when there is none.
    pub fn text(&self) -> String {
        let blocks = match &self.content {
            Value::Array(blocks) => blocks.as_slice(),
            block => std::slice::from_ref(block),
        };
        blocks.iter().filter_map(|block| block.get("text").and_then(Value::as_str)).collect()
    }
}

impl FromResult for Sampled {
    fn from_result(result: Value) -> Result<Self, String> {
        serde_json::from_value(result).map_err(|error| format!("it is not the result of a sampling: {error}"))
    }
}
