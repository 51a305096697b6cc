//! An entry, as it is stored and given.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::log::AuditLog;
use crate::clock::Timestamp;
use crate::id::InvocationId;
use crate::uuid7::{self, Generator};

/// An entry of an [`AuditLog`]. Its JSON is one object: `timestamp`, `tool`, and the other fields beside them.
///
/// That of a call has `inputs`, `outputs` or `error` (the error's type and text: `"NetworkError: no route"`), `success`,
/// `duration_seconds` since the admission, and `invocation`, unless the tool is read-only and has none. One that was made
/// with `cx.audit` has `invocation` and the fields that it was given.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AuditEntry {
    /// When it was made, in milliseconds since the Unix epoch: for a call, its end.
    pub timestamp: u64,
    /// The tool that was called, or whose body or step made the entry.
    pub tool: String,
    /// All other fields.
    #[serde(flatten)]
    pub fields: Map<String, Value>,
}

impl AuditEntry {
    /// One of the other fields.
    pub fn get(&self, field: &str) -> Option<&Value> {
        self.fields.get(field)
    }

    /// The arguments of the call.
    pub fn inputs(&self) -> Option<&Value> {
        self.get("inputs")
    }

    /// The value that the call gave.
    pub fn outputs(&self) -> Option<&Value> {
        self.get("outputs")
    }

    /// The type and the text of the error that the call gave.
    pub fn error(&self) -> Option<&str> {
        self.get("error")?.as_str()
    }

    /// Whether the call gave a value.
    pub fn is_success(&self) -> Option<bool> {
        self.get("success")?.as_bool()
    }

    /// How long the call took from its admission on.
    pub fn duration(&self) -> Option<Duration> {
        Duration::try_from_secs_f64(self.get("duration_seconds")?.as_f64()?).ok()
    }

    /// The invocation that the entry is of.
    pub fn invocation(&self) -> Option<InvocationId> {
        self.get("invocation")?.as_str()?.parse().ok()
    }
}

/// The row of a new entry in the keyspace of tables.
pub(super) fn row(
    log: &str,
    keys: &Generator,
    at: Timestamp,
    tool: &str,
    fields: Map<String, Value>,
) -> (Vec<u8>, Vec<u8>) {
    let key = keys.next(at);
    // That of the key, so that what an entry says of its time is where a query finds it.
    let timestamp = uuid7::time_of(&key).unwrap_or(at).as_millis();
    let entry = AuditEntry { timestamp, tool: tool.to_owned(), fields };
    let value = serde_json::to_vec(&entry).expect("an entry is plain JSON, and a Vec takes any number of bytes");
    (AuditLog::row_key(log, &key.to_string()), value)
}
