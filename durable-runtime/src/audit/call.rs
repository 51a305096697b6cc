//! Entries of calls that ended.

use std::borrow::Cow;
use std::time::Duration;

use serde_json::{Map, Value};

use super::entry;
use super::redaction::{self, Redaction};
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind};
use crate::id::InvocationId;
use crate::journal::record::Conclusion;
use crate::store::{Batch, Keyspace};
use crate::tool::ToolDefinition;
use crate::uuid7::Generator;

/// What `#[audit(..)]` says of a tool.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Audit {
    pub(crate) log: &'static str,
    /// The names of fields whose values are kept out of the log.
    pub(crate) redacted: &'static [&'static str],
}

impl Audit {
    /// Checks that each redacted field can be there, so that a misspelt one does not leave a secret in the log.
    pub(crate) fn check(&self, definition: &ToolDefinition) -> Result<(), Error> {
        let schemas = [&definition.input_schema, &definition.output_schema];
        let unknown =
            self.redacted.iter().find(|field| !schemas.iter().any(|schema| redaction::can_have(schema, field)));
        match unknown {
            None => Ok(()),
            Some(field) => Err(Error::new(
                ErrorKind::FixProgram,
                "audit_redact_unknown",
                format!(
                    "the tool `{}` redacts `{field}`, and neither its arguments nor its value have such a field; write the name \
                     as it is in the JSON, or remove it from `redact(..)`",
                    definition.name
                ),
            )),
        }
    }
}

/// What a call ended with.
pub(crate) enum CallEnd<'a> {
    /// Its value, as JSON.
    Value(&'a str),
    /// Its error: type, text, and itself as JSON.
    Error { kind: &'a str, message: Cow<'a, str>, error: &'a str },
}

impl<'a> CallEnd<'a> {
    /// The end that a conclusion is, with the type of the error that it may have.
    pub(crate) fn of(conclusion: &'a Conclusion, error_type: Option<&'a str>) -> Self {
        match conclusion {
            Conclusion::Succeeded { value } | Conclusion::Presented { content: value } => Self::Value(value),
            Conclusion::Failed { message, error } | Conclusion::Refused { message, error } => {
                Self::Error { kind: error_type.unwrap_or("ToolError"), message: message.as_str().into(), error }
            }
            Conclusion::TimedOut { limit_ms } => {
                let limit = Duration::from_millis(*limit_ms);
                Self::Error { kind: "TimedOut", message: format!("not ended within {limit:?}").into(), error: "" }
            }
            Conclusion::Cancelled { reason } => {
                Self::Error { kind: "Cancelled", message: reason.as_str().into(), error: "" }
            }
        }
    }
}

/// A call that ended.
pub(crate) struct EndedCall<'a> {
    pub(crate) tool: &'a str,
    /// `None` for a read-only tool, which has none.
    pub(crate) invocation: Option<InvocationId>,
    /// The arguments, as JSON.
    pub(crate) arguments: &'a str,
    pub(crate) end: CallEnd<'a>,
    /// Milliseconds since the Unix epoch.
    pub(crate) admitted_at: u64,
    pub(crate) at: u64,
}

impl EndedCall<'_> {
    /// Puts the call's entries into the batch that makes its end durable.
    pub(crate) fn put(&self, audits: &[Audit], keys: &Generator, batch: &mut Batch) {
        for audit in audits {
            let at = Timestamp::from_millis(self.at);
            let (key, value) = entry::row(audit.log, keys, at, self.tool, self.fields(audit));
            batch.put(Keyspace::Table, key, value);
        }
    }

    fn fields(&self, audit: &Audit) -> Map<String, Value> {
        let mut redaction = Redaction::new(audit.redacted.iter().copied());
        let mut shown = |json: &str| {
            let mut value = serde_json::from_str(json).unwrap_or(Value::Null);
            redaction.hide(&mut value);
            value
        };
        let mut fields = Map::new();
        fields.insert("inputs".into(), shown(self.arguments));
        let is_success = match &self.end {
            CallEnd::Value(value) => {
                fields.insert("outputs".into(), shown(value));
                true
            }
            CallEnd::Error { kind, message, error } => {
                // The error's own fields are not in the entry, but its text may repeat them.
                shown(error);
                fields.insert("error".into(), redaction.hide_in_text(format!("{kind}: {message}")).into());
                false
            }
        };
        fields.insert("success".into(), is_success.into());
        #[allow(clippy::cast_precision_loss, reason = "2^53 milliseconds are 285 thousand years")]
        let seconds = self.at.saturating_sub(self.admitted_at) as f64 / 1000.0;
        fields.insert("duration_seconds".into(), seconds.into());
        if let Some(invocation) = self.invocation {
            fields.insert("invocation".into(), invocation.to_string().into());
        }
        fields
    }
}
