//! Questions to the person at the client.

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{Answer, Read, Unanswered, schema};

/// What a person answered.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Elicited<T> {
    /// Yes, and with this.
    Accepted(T),
    /// No.
    Declined,
    /// The question was closed without an answer.
    Cancelled,
    /// The client cannot be asked, or failed to answer: why.
    Unavailable(String),
    /// Nobody answered in time.
    Expired,
}

impl<T> Elicited<T> {
    /// What was accepted.
    ///
    /// # Errors
    ///
    /// Everything else.
    pub fn accepted(self) -> Result<T, Unanswered> {
        match self {
            Self::Accepted(value) => Ok(value),
            Self::Declined => Err(Unanswered::Declined),
            Self::Cancelled => Err(Unanswered::Cancelled),
            Self::Unavailable(why) => Err(Unanswered::Unavailable(why)),
            Self::Expired => Err(Unanswered::Expired),
        }
    }
}

impl<T: DeserializeOwned + Send> Answer for Elicited<T> {
    fn read(reply: Read<'_>) -> Result<Self, String> {
        let mut result = match reply.given()? {
            Ok(result) => result,
            Err(Unanswered::Unavailable(why)) => return Ok(Self::Unavailable(why)),
            Err(_) => return Ok(Self::Expired),
        };
        match result.get("action").and_then(Value::as_str) {
            Some("accept") => {}
            Some("decline") => return Ok(Self::Declined),
            Some("cancel") => return Ok(Self::Cancelled),
            _ => return Err("its `action` is none of `accept`, `decline` and `cancel`".into()),
        }
        let content = result.get_mut("content").map_or_else(|| json!({}), Value::take);
        schema::check(&reply.request["params"]["requestedSchema"], &content)?;
        serde_path_to_error::deserialize(content)
            .map(Self::Accepted)
            .map_err(|error| format!("`content.{}`: {}", error.path(), error.inner()))
    }
}

/// The request for a `T`; an error if forms cannot have it.
pub(crate) fn elicitation<T: JsonSchema>(message: String, form: Option<Value>) -> Result<Value, String> {
    let form = match form {
        Some(form) => form,
        None => schema::form::<T>()?,
    };
    Ok(
        json!({ "method": "elicitation/create", "params": { "mode": "form", "message": message, "requestedSchema": form } }),
    )
}
