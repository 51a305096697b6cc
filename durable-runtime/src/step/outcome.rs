//! Outcomes as JSON, and back.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::journal::record::Outcome;

/// The JSON of a value or an error, if it can be recorded: it serializes, and is not too large.
pub(super) fn encode(value: &impl Serialize, limit: usize) -> Result<String, String> {
    let json = serde_json::to_string(value).map_err(|error| format!("it does not serialize to JSON: {error}"))?;
    if json.len() > limit {
        return Err(format!(
            "it has {} bytes as JSON, and {limit} is the most; keep the data elsewhere and return a reference to it",
            json.len()
        ));
    }
    Ok(json)
}

/// What the body gets: what was recorded, decoded, in the first run too.
pub(super) fn decode<T, E>(outcome: &Outcome) -> Result<Result<T, E>, serde_json::Error>
where
    T: DeserializeOwned,
    E: DeserializeOwned,
{
    match outcome {
        Outcome::Value(json) => serde_json::from_str(json).map(Ok),
        Outcome::Error(json) | Outcome::InDoubt(json) => serde_json::from_str(json).map(Err),
    }
}

/// The error of a step that is marked infallible: there is none.
#[derive(Clone, Copy, Debug)]
pub enum Never {}

impl Serialize for Never {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        match *self {}
    }
}

impl<'de> Deserialize<'de> for Never {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(serde::de::Error::custom("an infallible step has no errors, and this journal has one"))
    }
}

/// The value of an infallible step.
pub fn infallible<T>(outcome: Result<T, Never>) -> T {
    match outcome {
        Ok(value) => value,
        Err(never) => match never {},
    }
}
