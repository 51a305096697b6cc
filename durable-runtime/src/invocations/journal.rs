//! Records of a journal, to be read by people.

use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::clock::Timestamp;
use crate::id::InvocationId;
use crate::journal::codec;
use crate::journal::identity::Identity;
use crate::journal::record::{Outcome, Record, Reply};

/// One record of a journal.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct JournalEntry {
    /// When it was made; table operations have no time of their own.
    pub at: Option<Timestamp>,
    /// What it is: `admitted`, `started`, `failed`, `ended`, `unrecordable`, `operated`, `asked`, `cancelled`, `forked`,
    /// `retried`, `resolved` or `completed`.
    pub record: &'static str,
    /// Which step, operation or question, as `scope/name[key]`.
    pub of: Option<String>,
    /// What it says.
    pub details: Map<String, Value>,
}

impl fmt::Display for JournalEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.at {
            Some(at) => write!(f, "{at} {}", self.record)?,
            None => write!(f, "{:24} {}", "", self.record)?,
        }
        if let Some(of) = &self.of {
            write!(f, " `{of}`")?;
        }
        self.details.iter().try_for_each(|(name, value)| write!(f, " {name}={value}"))
    }
}

pub(crate) fn entry(record: &Record) -> JournalEntry {
    let (name, of, at, details) = match record {
        Record::Admitted(admission) => (
            "admitted",
            None,
            Some(admission.at),
            json!({ "arguments": parsed(&admission.arguments), "build": admission.build, "origin": admission.origin }),
        ),
        Record::Started { step, attempt, at } => ("started", Some(step), Some(*at), json!({ "attempt": attempt })),
        Record::Failed { step, attempt, error, at, retry_at, .. } => (
            "failed",
            Some(step),
            Some(*at),
            json!({ "attempt": attempt, "error": parsed(error), "next": text(*retry_at) }),
        ),
        Record::Ended { step, attempt, outcome, at, .. } => {
            let (sort, value) = outcome_of(outcome);
            ("ended", Some(step), Some(*at), json!({ "attempt": attempt, sort: value }))
        }
        Record::Unrecordable { step, attempt, reason, at, .. } => {
            ("unrecordable", Some(step), Some(*at), json!({ "attempt": attempt, "reason": reason }))
        }
        Record::Operated { operation, result } => ("operated", Some(operation), None, result_of(operation, result)),
        Record::Asked { question, request, at, expires_at } => {
            ("asked", Some(question), Some(*at), json!({ "request": parsed(request), "expires": text(*expires_at) }))
        }
        Record::Cancelled { reason, at } => ("cancelled", None, Some(*at), json!({ "reason": reason })),
        Record::Forked { from, step, at } => {
            ("forked", None, Some(*at), json!({ "from": InvocationId::from_bytes(*from).to_string(), "step": step }))
        }
        Record::Retried { code, reason, at } => ("retried", None, Some(*at), json!({ "code": code, "reason": reason })),
        Record::Resolved { step, outcome, at, .. } => {
            let (sort, value) = outcome_of(outcome);
            ("resolved", Some(step), Some(*at), json!({ sort: value }))
        }
        Record::Completed { at } => ("completed", None, Some(*at), json!({})),
    };
    JournalEntry {
        at: at.map(Timestamp::from_millis),
        record: name,
        of: of.map(ToString::to_string),
        details: match details {
            Value::Object(details) => details,
            _ => Map::new(),
        },
    }
}

fn outcome_of(outcome: &Outcome) -> (&'static str, Value) {
    match outcome {
        Outcome::Value(json) => ("value", parsed(json)),
        Outcome::Error(json) => ("error", parsed(json)),
        Outcome::InDoubt(json) => ("doubt", parsed(json)),
    }
}

/// What an operation gave, if that is more than rows of a table.
fn result_of(operation: &Identity, result: &[u8]) -> Value {
    let name = operation.name.split('#').next().unwrap_or_default();
    match name {
        "now" => codec::decode(result).map_or(Value::Null, |at: u64| json!({ "time": text(at) })),
        "sleep" => codec::decode(result).map_or(Value::Null, |at: u64| json!({ "until": text(at) })),
        "patched" => codec::decode(result).map_or(Value::Null, |new: u8| json!({ "new": new == 1 })),
        Identity::QUESTION | "elicit" | "sample" | "roots" => match codec::decode(result) {
            Ok(Reply::Given(answer)) => json!({ "answer": parsed(&answer) }),
            Ok(Reply::Unavailable(why)) => json!({ "unavailable": why }),
            Ok(Reply::Expired) => json!({ "expired": true }),
            Ok(Reply::Withdrawn) => json!({ "withdrawn": true }),
            Err(_) => Value::Null,
        },
        "transaction" => json!({ "result": parsed(&String::from_utf8_lossy(result)) }),
        _ if result.is_empty() => Value::Null,
        _ => json!({ "bytes": result.len() }),
    }
}

/// JSON as a value; a text that is none stays one.
pub(super) fn parsed(json: &str) -> Value {
    serde_json::from_str(json).unwrap_or_else(|_| json.into())
}

fn text(millis: u64) -> String {
    Timestamp::from_millis(millis).to_string()
}
