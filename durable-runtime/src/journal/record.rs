//! What a journal consists of.
//!
//! Values, arguments and errors are JSON text: people read them, and their types may grow fields. The envelopes around
//! them are ours. The order of variants and fields is part of the store's format; `codec.rs` holds it with golden bytes.

use std::sync::Arc;

use bincode::{Decode, Encode};

use super::identity::Identity;

/// How often the effect of a step may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) enum StepKind {
    AtLeastOnce,
    AtMostOnce,
}

impl StepKind {
    pub(crate) fn marker(self) -> &'static str {
        match self {
            Self::AtLeastOnce => "at_least",
            Self::AtMostOnce => "at_most",
        }
    }
}

/// What a step ended with.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) enum Outcome {
    /// The step's value, as JSON.
    Value(String),
    /// The error of the last attempt, as JSON.
    Error(String),
    /// The at-most-once attempt may have happened or not; the error that the step's type made of that, as JSON.
    InDoubt(String),
}

/// The call that an invocation executes: the first record of its journal.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Admission {
    pub(crate) tool: String,
    /// The arguments, as JSON.
    pub(crate) arguments: String,
    /// Who called; empty for the anonymous caller.
    pub(crate) principal: String,
    /// How the call came: `http`, `stdio`, `local`.
    pub(crate) origin: String,
    pub(crate) idempotency_key: Option<String>,
    /// The build of the server that admitted the call.
    pub(crate) build: String,
    /// What all randomness of the invocation is derived from.
    pub(crate) seed: u64,
    /// Milliseconds since the Unix epoch.
    pub(crate) at: u64,
}

/// One fact about an invocation. All times are milliseconds since the Unix epoch.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) enum Record {
    Admitted(Arc<Admission>),
    /// An attempt of an at-most-once step is about to start. At-least-once attempts need no such record.
    Started {
        step: Identity,
        attempt: u32,
        at: u64,
    },
    /// An attempt failed and is followed by another one.
    Failed {
        step: Identity,
        kind: StepKind,
        attempt: u32,
        /// The error, as JSON.
        error: String,
        at: u64,
        /// When the next attempt may start.
        retry_at: u64,
    },
    /// The step has its outcome.
    Ended {
        step: Identity,
        kind: StepKind,
        /// The attempt that ended it.
        attempt: u32,
        outcome: Outcome,
        at: u64,
    },
    /// The step's effect happened, and its outcome cannot be recorded. It is not run again.
    Unrecordable {
        step: Identity,
        kind: StepKind,
        attempt: u32,
        reason: String,
        at: u64,
    },
    /// An operation of the framework in the tool's body, and what it gave: a read's rows, or nothing for a write.
    Operated {
        operation: Identity,
        result: Vec<u8>,
    },
    /// The body has a question for its client. The answer is what the operation of this identity gave.
    Asked {
        question: Identity,
        /// The request, as the protocol has it: `{ "method": .., "params": .. }`, as JSON.
        request: String,
        at: u64,
        /// Until when an answer is waited for.
        expires_at: u64,
    },
    /// The call was cancelled: its body goes no further, and what it did is undone.
    Cancelled {
        reason: String,
        at: u64,
    },
    /// The invocation is a fork: what follows up to its own records is what another one had when it came to a step.
    Forked {
        from: [u8; 16],
        step: String,
        at: u64,
    },
    /// A person has let it go on that was parked so.
    Retried {
        code: String,
        reason: String,
        at: u64,
    },
    /// A person has given the outcome of a step; it counts, whatever the journal says of the step before.
    Resolved {
        step: Identity,
        kind: StepKind,
        outcome: Outcome,
        at: u64,
    },
    /// A person has ended the invocation, without its body.
    Completed {
        at: u64,
    },
}

impl Record {
    /// How long its texts and results are, which is nearly all that there is of it.
    pub(crate) fn payload_bytes(&self) -> usize {
        match self {
            Self::Admitted(admission) => admission.arguments.len(),
            Self::Started { .. } | Self::Completed { .. } => 0,
            Self::Failed { error, .. } => error.len(),
            Self::Ended { outcome, .. } | Self::Resolved { outcome, .. } => match outcome {
                Outcome::Value(json) | Outcome::Error(json) | Outcome::InDoubt(json) => json.len(),
            },
            Self::Unrecordable { reason, .. } | Self::Cancelled { reason, .. } | Self::Retried { reason, .. } => {
                reason.len()
            }
            Self::Operated { result, .. } => result.len(),
            Self::Asked { request, .. } => request.len(),
            Self::Forked { step, .. } => step.len(),
        }
    }
}

/// What a question was answered with.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) enum Reply {
    /// The client's result, as the protocol has it, as JSON.
    Given(String),
    /// There is nobody who can be asked: why.
    Unavailable(String),
    /// Nobody answered in time.
    Expired,
    /// The body went on without an answer.
    Withdrawn,
}

/// How an invocation ended.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) enum Conclusion {
    /// The tool's value, as JSON.
    Succeeded { value: String },
    /// The tool's error: its text, and itself as JSON.
    Failed { message: String, error: String },
    /// It did not end within its timeout, of so many milliseconds.
    TimedOut { limit_ms: u64 },
    /// It was cancelled.
    Cancelled { reason: String },
    /// The tool's value is blocks of content, as the protocol has them, as JSON.
    Presented { content: String },
    /// The tool's error, which is one of the request: its text, and itself as JSON.
    Refused { message: String, error: String },
}

/// The row of an invocation that has ended.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Ended {
    pub(crate) tool: String,
    pub(crate) principal: String,
    pub(crate) conclusion: Conclusion,
    pub(crate) admitted_at: u64,
    /// When it ended.
    pub(crate) at: u64,
}

/// The row of an invocation that has not ended.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) enum Unfinished {
    /// It runs, or will be resumed.
    Running {
        /// How often its runs had ended uncleanly, and how many rows its journal had then, as earlier releases counted; see `Unclean`.
        unclean_ends: u32,
        rows_then: u32,
        /// When the wait ends that is all it does; it is not in memory until then.
        wake_at: Option<u64>,
    },
    /// It needs a person.
    Parked { code: String, reason: String, at: u64 },
    /// Its client has gone. It goes on when the client comes back with its key, and is cancelled if that does not happen in time.
    Suspended {
        /// When it is cancelled.
        until: u64,
    },
    /// Its last runs ended uncleanly, and it waits for its turn to run: of such one runs at a time.
    Suspect {
        /// As of one that runs.
        unclean_ends: u32,
        rows_then: u32,
    },
    /// Its last run ended uncleanly, and it runs again.
    Unclean {
        /// How often in a row that was, without anything new in the journal.
        unclean_ends: u32,
        /// How many rows the journal had when that was last counted.
        rows_then: u32,
        /// In which opening of the store it was counted: a clean stop since then makes it void.
        opening: u64,
    },
}

impl Unfinished {
    /// When the wait ends that is all it does.
    pub(crate) fn wake_at(&self) -> Option<u64> {
        match self {
            Self::Running { wake_at, .. } => *wake_at,
            Self::Parked { .. } | Self::Suspended { .. } | Self::Suspect { .. } | Self::Unclean { .. } => None,
        }
    }
}

/// The row of a session.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Session {
    pub(crate) principal: String,
    /// The parameters of the client's `initialize` request, as JSON.
    pub(crate) initialize: String,
    pub(crate) at: u64,
    /// When it was last used, to within a part of its time to live.
    pub(crate) used_at: u64,
}

/// The row of a stream that a call is answered on.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Stream {
    pub(crate) invocation: [u8; 16],
    /// The id of the client's request, as JSON.
    pub(crate) request: String,
    /// The token that the client wants progress under, as JSON.
    pub(crate) progress: Option<String>,
    pub(crate) at: u64,
}

/// The row of an idempotency key.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct KeyUse {
    pub(crate) invocation: [u8; 16],
    /// Digest of the arguments it was used with.
    pub(crate) arguments: [u8; 32],
}
