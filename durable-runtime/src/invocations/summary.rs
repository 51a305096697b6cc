//! One invocation, in short.

use std::fmt;

use serde::Serialize;
use serde_json::Value;

use super::wait::Wait;
use crate::clock::Timestamp;
use crate::id::InvocationId;
use crate::local::ToolFailure;

/// Some invocations, and where the next ones begin.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct InvocationPage {
    /// The invocations, in the order of the list.
    pub invocations: Vec<InvocationSummary>,
    /// What to ask for the next page with; `None` when this is the last one.
    pub next: Option<InvocationId>,
}

/// An invocation, in short.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct InvocationSummary {
    /// Its id.
    pub id: InvocationId,
    /// The tool that was called.
    pub tool: String,
    /// Who called; empty for the anonymous caller.
    pub principal: String,
    /// When it was admitted.
    pub admitted_at: Timestamp,
    /// Where it stands.
    pub state: InvocationState,
}

/// Where an invocation stands.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "state", rename_all = "lowercase")]
#[non_exhaustive]
pub enum InvocationState {
    /// It runs, or is about to.
    Running {
        /// How often in a row it has ended uncleanly, with nothing new in its journal.
        unclean_ends: u32,
    },
    /// It waits outside of memory.
    Waiting {
        /// Until when.
        until: Timestamp,
        /// For what.
        waits: Vec<Wait>,
    },
    /// Its client has gone, and may come back with its key.
    Suspended {
        /// When it is cancelled, if the client does not come back.
        until: Timestamp,
    },
    /// It needs a person.
    Parked {
        /// The reason's name, as the table in `docs/store.md` has it.
        code: String,
        /// The reason.
        reason: String,
        /// Since when; `None` if it is parked for as long as it does not fit the build.
        since: Option<Timestamp>,
    },
    /// It has ended.
    Ended {
        /// When.
        at: Timestamp,
        /// With what.
        result: Result<Value, ToolFailure>,
    },
}

impl fmt::Display for InvocationSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of `{}`: {}", self.id, self.tool, self.state)
    }
}

impl fmt::Display for InvocationState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Running { unclean_ends: 0 } => f.write_str("runs"),
            Self::Running { unclean_ends } => write!(f, "runs, after {unclean_ends} unclean ends in a row"),
            Self::Waiting { until, waits } => {
                write!(f, "waits until {until}")?;
                waits.iter().try_for_each(|wait| write!(f, "; {wait}"))
            }
            Self::Suspended { until } => write!(f, "suspended until its client comes back, at most until {until}"),
            Self::Parked { code, reason, .. } => write!(f, "parked ({code}): {reason}"),
            Self::Ended { at, result: Ok(value) } => write!(f, "ended at {at} with {value}"),
            Self::Ended { at, result: Err(failure) } => write!(f, "ended at {at} with the error: {failure}"),
        }
    }
}
