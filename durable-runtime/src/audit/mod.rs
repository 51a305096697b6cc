//! The audit log: who called which tool with what, and what came of it.
//!
//! The entries of a log are the rows of the table `audit:<log>`, under version 7 UUIDs. That of a call is written in the
//! batch of the call's final state, so there is one for each call, and none without its end.

mod call;
mod entry;
mod explicit;
mod log;
mod redaction;

pub(crate) use self::call::{Audit, CallEnd, EndedCall};
pub use self::entry::AuditEntry;
pub(crate) use self::explicit::ExplicitEntry;
pub use self::log::{AuditLog, AuditPage, AuditQuery};
pub(crate) use self::redaction::Redaction;
