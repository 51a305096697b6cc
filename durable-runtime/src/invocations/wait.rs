//! What an invocation waits for, by its journal.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::clock::Timestamp;
use crate::journal::codec;
use crate::journal::record::Record;

/// Something that an invocation waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Wait {
    /// Which step, sleep or question, as `scope/name[key]`.
    pub of: String,
    /// Why.
    pub reason: WaitReason,
    /// When the wait ends at the latest.
    pub until: Timestamp,
}

/// Why an invocation waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum WaitReason {
    /// A step failed, and the next attempt is to come.
    Retry,
    /// The body sleeps.
    Sleep,
    /// A client was asked, and has not answered.
    Answer,
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { of, until, .. } = self;
        match self.reason {
            WaitReason::Retry => write!(f, "the next attempt of `{of}` comes at {until}"),
            WaitReason::Sleep => write!(f, "`{of}` ends at {until}"),
            WaitReason::Answer => write!(f, "`{of}` waits for an answer until {until}"),
        }
    }
}

/// Everything that a journal leaves waiting, the earliest end first.
pub(crate) fn waits(records: &[Record], now: Timestamp) -> Vec<Wait> {
    let mut waiting: BTreeMap<String, (WaitReason, u64)> = BTreeMap::new();
    for record in records {
        match record {
            Record::Failed { step, retry_at, .. } => {
                waiting.insert(step.to_string(), (WaitReason::Retry, *retry_at));
            }
            Record::Asked { question, expires_at, .. } => {
                waiting.insert(question.to_string(), (WaitReason::Answer, *expires_at));
            }
            Record::Started { step, .. }
            | Record::Ended { step, .. }
            | Record::Unrecordable { step, .. }
            | Record::Resolved { step, .. } => {
                waiting.remove(&step.to_string());
            }
            Record::Operated { operation, result } => {
                waiting.remove(&operation.to_string());
                // Several of one scope are numbered.
                let is_sleep = operation.key.is_none() && operation.name.split('#').next() == Some("sleep");
                if is_sleep && let Ok(until) = codec::decode(result) {
                    waiting.insert(operation.to_string(), (WaitReason::Sleep, until));
                }
            }
            Record::Admitted(_)
            | Record::Cancelled { .. }
            | Record::Forked { .. }
            | Record::Retried { .. }
            | Record::Completed { .. } => {}
        }
    }
    let waits = waiting.into_iter().filter(|(_, (_, until))| *until > now.as_millis());
    let mut waits: Vec<Wait> =
        waits.map(|(of, (reason, until))| Wait { of, reason, until: Timestamp::from_millis(until) }).collect();
    waits.sort_by_key(|wait| wait.until);
    waits
}
