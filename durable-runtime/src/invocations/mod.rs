//! Invocations, for a person who looks after them.

mod explanation;
mod journal;
mod summary;
mod wait;

use std::fmt;
use std::sync::Arc;

use serde_json::Value;

pub use self::explanation::{Explanation, FailedAttempt, InvocationOrigin, StepExplanation, StepState};
pub use self::journal::JournalEntry;
#[cfg(feature = "testing")]
pub(crate) use self::journal::entry;
pub use self::summary::{InvocationPage, InvocationState, InvocationSummary};
pub(crate) use self::wait::waits;
pub use self::wait::{Wait, WaitReason};
use crate::engine::{Engine, Submitted};
use crate::error::Error;
use crate::id::InvocationId;
use crate::journal::record::Outcome;
use crate::local::LocalResult;

/// The outcome of a step that a person gives: a value or an error of the step's types, as JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepOutcome {
    /// The step has given this.
    Value(Value),
    /// It has failed with this.
    Error(Value),
}

impl StepOutcome {
    fn into_record(self) -> Outcome {
        match self {
            Self::Value(value) => Outcome::Value(value.to_string()),
            Self::Error(error) => Outcome::Error(error.to_string()),
        }
    }
}

/// The invocations of a server, for a person who looks after them: from [`Server::invocations`](crate::Server::invocations).
///
/// Everything here is durable when it returns, as one commit that depends on what it found: of two people at once, or of a
/// person and a running body, the first to be durable wins, and the other is told. `docs/operations.md` says when to use what.
#[derive(Clone)]
pub struct Invocations {
    engine: Arc<Engine>,
}

impl fmt::Debug for Invocations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Invocations")
    }
}

impl Invocations {
    pub(crate) fn new(engine: Arc<Engine>) -> Self {
        Self { engine }
    }

    /// A page of the invocations that have not ended, the oldest first: running, waiting, suspended and parked. `after` is the
    /// [`next`](InvocationPage::next) of the page before.
    ///
    /// # Errors
    ///
    /// `limit_zero`, `limit_too_large` (over 1000), and those of the store.
    pub async fn unfinished(&self, after: Option<InvocationId>, limit: usize) -> Result<InvocationPage, Error> {
        self.engine.unfinished(after, limit, false).await
    }

    /// The same with those only that are parked.
    ///
    /// # Errors
    ///
    /// As [`unfinished`](Self::unfinished).
    pub async fn parked(&self, after: Option<InvocationId>, limit: usize) -> Result<InvocationPage, Error> {
        self.engine.unfinished(after, limit, true).await
    }

    /// A page of the invocations that have ended, the newest first, by their admission.
    ///
    /// # Errors
    ///
    /// As [`unfinished`](Self::unfinished).
    pub async fn ended(&self, after: Option<InvocationId>, limit: usize) -> Result<InvocationPage, Error> {
        self.engine.ended(after, limit).await
    }

    /// Everything that is known of an invocation: where it stands and why, its steps with their attempts and failures, what it
    /// waits for, and its journal. What the tool's `#[audit(.., redact(..))]` keeps out of the log is not in it.
    ///
    /// # Errors
    ///
    /// `invocation_unknown`, `record_unreadable`.
    pub async fn explain(&self, id: InvocationId) -> Result<Explanation, Error> {
        let (summary, records) = self.engine.story(id).await?;
        let tool = self.engine.tools().get(&summary.tool).map(|registered| &registered.definition);
        Explanation::new(summary, &records, tool, self.engine.surroundings().clock.now())
    }

    /// Waits until an invocation has ended, and gives its result.
    ///
    /// # Errors
    ///
    /// `invocation_unknown`, `invocation_parked`, `invocation_deferred`. An error of the tool is in the [`LocalResult`].
    pub async fn result(&self, id: InvocationId) -> Result<LocalResult, Error> {
        let submitted = self.engine.follow(id).await?;
        ended(submitted.ok_or_else(|| crate::engine::unknown(id))?).await
    }

    /// Lets a parked invocation run again, with its count of unclean ends at zero. It replays what is recorded, so that nothing
    /// that has an outcome happens again. If the reason is still there, it is parked again.
    ///
    /// # Errors
    ///
    /// `invocation_unknown`, `invocation_ended`, `invocation_running`, `invocation_not_parked`; `invocation_parked`, if it does
    /// not fit this build.
    pub async fn retry(&self, id: InvocationId) -> Result<(), Error> {
        self.engine.retry(id).await
    }

    /// Gives a step of a parked invocation its outcome by hand, and lets the invocation run again: for a step in doubt, one whose
    /// outcome could not be recorded or is no longer readable, and one that keeps failing. The step is named as
    /// [`explain`](Self::explain) shows it.
    ///
    /// # Errors
    ///
    /// Those of [`retry`](Self::retry); `step_unknown`; `step_has_outcome`, if the call has gone on with one; `outcome_invalid`, if
    /// the body cannot read it or it is too large.
    pub async fn resolve(&self, id: InvocationId, step: &str, outcome: StepOutcome) -> Result<(), Error> {
        self.engine.resolve(id, step, outcome.into_record()).await
    }

    /// Begins a new invocation with the journal of another one up to a step, which runs again, and all that follows it. Gives
    /// its id. Only one that is parked or has ended can be forked.
    ///
    /// What had begun before the step keeps its outcome. The effects of the step and of what follows may happen twice: a step's
    /// `idempotency_key` is another one in the fork. The idempotency key of a parked call gives the fork from now on; that of one
    /// that has ended stays with its result.
    ///
    /// # Errors
    ///
    /// `invocation_unknown`, `invocation_running`, `journal_deleted`, `step_unknown`.
    pub async fn fork(&self, id: InvocationId, step: &str) -> Result<InvocationId, Error> {
        self.engine.fork(id, step, None).await
    }

    /// The same, and the step has this outcome in the fork, and does not run.
    ///
    /// # Errors
    ///
    /// As [`fork`](Self::fork), and `outcome_invalid`.
    pub async fn fork_with(&self, id: InvocationId, step: &str, outcome: StepOutcome) -> Result<InvocationId, Error> {
        self.engine.fork(id, step, Some(outcome.into_record())).await
    }

    /// Cancels an invocation, also one that is parked, and waits until it has ended: with its cancellation, or with what was
    /// durable before. One whose tool has `on_cancel` is undone first.
    ///
    /// # Errors
    ///
    /// `invocation_unknown`; `invocation_parked`, if undoing it is parked.
    pub async fn cancel(&self, id: InvocationId, reason: impl Into<String>) -> Result<LocalResult, Error> {
        ended(self.engine.cancel(id, reason.into()).await?).await
    }

    /// Ends an invocation by hand, wherever it is, with a value that fits the tool's output schema or with the text of an error.
    /// Who waits for it gets that. Running attempts are finished and recorded before, as when it is cancelled; nothing is undone.
    /// The same again changes nothing.
    ///
    /// # Errors
    ///
    /// `invocation_unknown`; `invocation_ended`, if it has ended with something else; `result_invalid`.
    pub async fn complete(&self, id: InvocationId, result: Result<Value, String>) -> Result<(), Error> {
        self.engine.complete(id, result).await
    }
}

async fn ended(submitted: Submitted) -> Result<LocalResult, Error> {
    let (id, is_replayed) = (submitted.id, submitted.is_replayed());
    let ended = submitted.answer().await.into_ended(id)?;
    Ok(LocalResult::of_ended(id, is_replayed, &ended.conclusion))
}
