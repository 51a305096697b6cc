//! Where the server of a test can crash: at each commit, before it is durable, or after and before anybody knows.

use std::fmt;

use parking_lot::Mutex;

use crate::id::InvocationId;
use crate::journal::codec;
use crate::journal::record::{Outcome, Record};
use crate::store::{Batch, Keyspace};

/// At which moment of a commit the server crashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Moment {
    /// The commit is not durable: it is as if it had not been tried.
    Before,
    /// The commit is durable, and nobody has been told.
    After,
}

/// Where a server crashes: at a moment of the commit of this number, counted from 1 since the test's first server was open.
///
/// Its text, as `before 3`, is what the environment variable `DURABLE_CRASH_POINT` takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CrashPoint {
    /// The number of the commit.
    pub commit: usize,
    /// The moment.
    pub moment: Moment,
}

impl fmt::Display for CrashPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let moment = match self.moment {
            Moment::Before => "before",
            Moment::After => "after",
        };
        write!(f, "{moment} {}", self.commit)
    }
}

impl std::str::FromStr for CrashPoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let read = || {
            let (moment, commit) = text.split_once(' ')?;
            let moment = match moment {
                "before" => Moment::Before,
                "after" => Moment::After,
                _ => return None,
            };
            Some(Self { commit: commit.parse().ok()?, moment })
        };
        read().ok_or_else(|| format!("`{text}` is no crash point: write one as `before 3` or `after 3`"))
    }
}

/// The commits of one run, of all its servers.
#[derive(Debug)]
pub(crate) struct Boundaries(Mutex<State>);

#[derive(Debug)]
struct State {
    /// What each commit was for.
    passed: Vec<String>,
    crash: Option<CrashPoint>,
    /// The first server is not open yet.
    is_opening: bool,
}

impl Boundaries {
    pub(crate) fn new(crash: Option<CrashPoint>) -> Self {
        Self(Mutex::new(State { passed: Vec::new(), crash, is_opening: true }))
    }

    /// The first server is open: from now on commits count.
    pub(crate) fn begin(&self) {
        self.0.lock().is_opening = false;
    }

    /// A commit is made; gives the moment at which the server crashes in it.
    pub(crate) fn pass(&self, batch: &Batch) -> Option<Moment> {
        let mut state = self.0.lock();
        if state.is_opening {
            return None;
        }
        state.passed.push(purpose(batch));
        let number = state.passed.len();
        let crash = state.crash.take_if(|crash| crash.commit == number)?;
        Some(crash.moment)
    }

    /// What each commit was for.
    pub(crate) fn passed(&self) -> Vec<String> {
        self.0.lock().passed.clone()
    }

    /// Whether the crash has come, if one was to.
    pub(crate) fn has_crashed(&self) -> bool {
        self.0.lock().crash.is_none()
    }
}

/// What a batch is committed for, as people read it.
fn purpose(batch: &Batch) -> String {
    let mut parts: Vec<String> = Vec::new();
    for write in &batch.writes {
        let part = match (write.keyspace, &write.value) {
            (Keyspace::Journal, Some(row)) => {
                let records: Vec<Record> = codec::decode(row).unwrap_or_default();
                parts.extend(records.iter().map(record));
                continue;
            }
            (Keyspace::Result, Some(_)) => "the call's end",
            (Keyspace::Table, _) => "rows of tables",
            _ => continue,
        };
        parts.push(part.to_owned());
    }
    if batch.transaction.is_some() {
        parts.push("a transaction".into());
    }
    parts.dedup();
    if parts.is_empty() { "what the server notes for itself".into() } else { parts.join(", ") }
}

fn record(record: &Record) -> String {
    match record {
        Record::Admitted(admission) => format!("the admission of `{}`", admission.tool),
        Record::Started { step, attempt, .. } => format!("the start of attempt {attempt} of `{step}`"),
        Record::Failed { step, attempt, .. } => format!("the failure of attempt {attempt} of `{step}`"),
        Record::Ended { step, outcome, .. } => match outcome {
            Outcome::Value(_) => format!("the value of `{step}`"),
            Outcome::Error(_) => format!("the error of `{step}`"),
            Outcome::InDoubt(_) => format!("that `{step}` is in doubt"),
        },
        Record::Unrecordable { step, .. } => format!("that the outcome of `{step}` cannot be recorded"),
        Record::Operated { operation, .. } => format!("`{operation}`"),
        Record::Asked { question, .. } => format!("the question `{question}`"),
        Record::Cancelled { .. } => "the cancellation".into(),
        Record::Retried { .. } => "that a person retries the call".into(),
        Record::Completed { .. } => "that a person completes the call".into(),
        Record::Resolved { step, .. } => format!("what a person says of `{step}`"),
        Record::Forked { from, .. } => format!("the fork of invocation {}", InvocationId::from_bytes(*from)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crash_point_is_read_from_its_text() {
        for point in
            [CrashPoint { commit: 3, moment: Moment::Before }, CrashPoint { commit: 12, moment: Moment::After }]
        {
            assert_eq!(point.to_string().parse(), Ok(point));
        }
        for other in ["", "3", "before", "before x", "during 3"] {
            assert!(other.parse::<CrashPoint>().is_err(), "{other}");
        }
    }
}
