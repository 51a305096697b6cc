//! Entries that a tool makes with `cx.audit`.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::{Map, Value};

use super::entry;
use super::log::{AuditLog, check_name};
use crate::engine::{Invocation, digest};
use crate::error::{Error, ErrorKind};

/// The largest entry, in bytes.
const ENTRY_BYTES: usize = 16 << 20;

/// What every entry says of itself, and the author's fields cannot.
const RESERVED: [&str; 3] = ["timestamp", "tool", "invocation"];

/// An entry that is not made yet.
pub(crate) struct ExplicitEntry {
    log: String,
    value: Value,
}

impl ExplicitEntry {
    /// Reads the author's value.
    pub(crate) fn read<T: Serialize + ?Sized>(log: &str, entry: &T) -> Result<Self, Error> {
        check_name(log)?;
        let wrong = |code, what: &str| {
            Error::new(ErrorKind::FixProgram, code, format!("an entry for the audit log `{log}` {what}"))
        };
        let value = serde_json::to_value(entry)
            .map_err(|error| wrong("value_not_encodable", &format!("does not serialize to JSON: {error}")))?;
        let Value::Object(fields) = &value else {
            return Err(wrong("audit_entry_not_object", "has no fields; give a struct or a map"));
        };
        if let Some(reserved) = RESERVED.iter().find(|reserved| fields.contains_key(**reserved)) {
            return Err(wrong(
                "audit_field_reserved",
                &format!("has a field `{reserved}`, which the framework writes; give it another name"),
            ));
        }
        let bytes = value.to_string().len();
        if bytes > ENTRY_BYTES {
            return Err(wrong("value_too_large", &format!("has {bytes} bytes, and {ENTRY_BYTES} is the most")));
        }
        Ok(Self { log: log.to_owned(), value })
    }

    /// The name and key by which a replay finds it: the log, and a digest of the value.
    pub(crate) fn identity(&self) -> (String, String) {
        let mut key = String::with_capacity(64);
        for byte in digest(&self.value) {
            write!(key, "{byte:02x}").expect("a String takes everything");
        }
        (format!("{}.append", AuditLog::table(&self.log)), key)
    }

    /// The row of the entry, if it is made now.
    pub(crate) fn into_row(self, invocation: &Invocation) -> (Vec<u8>, Vec<u8>) {
        let mut fields = match self.value {
            Value::Object(fields) => fields,
            _ => Map::new(),
        };
        fields.insert("invocation".into(), invocation.id.to_string().into());
        let tool = &invocation.history().admission().tool;
        entry::row(&self.log, &invocation.surroundings.audit_keys, invocation.now(), tool, fields)
    }
}
