//! What both kinds of step do in the same way: identity, waiting, recording.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::attempt::StepContext;
use super::outcome;
use super::retry::{RetryPolicy, chance};
use crate::clock::Timestamp;
use crate::context::DurableContext;
use crate::engine::Invocation;
use crate::journal::identity::Identity;
use crate::journal::record::{Outcome, Record, StepKind};
use crate::journal::replay::Decision;
use crate::table::overlay::Overlay;

/// An attempt that is to be made.
pub(super) struct Due {
    pub(super) attempt: u32,
    pub(super) not_before: Option<Timestamp>,
}

/// Where a step stands.
pub(super) enum Phase {
    Undecided,
    Due(Due),
    /// This attempt was started and never ended.
    InDoubt(u32),
    Ended(Outcome),
    /// The invocation is parked, and the body goes no further.
    Halted,
}

/// A step of one invocation.
pub(super) struct StepCore {
    pub(super) invocation: Arc<Invocation>,
    pub(super) identity: Arc<Identity>,
    pub(super) kind: StepKind,
    pub(super) policy: RetryPolicy,
    pub(super) timeout: Option<Duration>,
}

impl StepCore {
    pub(super) fn new(cx: &DurableContext, name: &'static str, kind: StepKind) -> Self {
        Self {
            invocation: Arc::clone(cx.invocation_in_memory()),
            identity: Arc::new(cx.identity(name, None)),
            kind,
            policy: RetryPolicy::default(),
            timeout: None,
        }
    }

    pub(super) fn set_key(&mut self, key: String) {
        Arc::make_mut(&mut self.identity).key = Some(key);
    }

    /// Claims the step's identity and says where the journal leaves it.
    pub(super) fn begin(&self) -> Phase {
        if !self.invocation.claim_step(&self.identity) {
            return Phase::Halted;
        }
        match self.invocation.history().decide(&self.identity, self.kind) {
            Decision::Attempt { attempt } => Phase::Due(Due { attempt, not_before: None }),
            Decision::Retry { attempt, retry_at, .. } if self.policy.allows(attempt) => {
                Phase::Due(Due { attempt, not_before: Some(Timestamp::from_millis(retry_at)) })
            }
            // This build allows fewer attempts than were made.
            Decision::Retry { attempt, error, .. } => {
                Phase::Ended(self.ended(attempt - 1, Outcome::Error(error), Overlay::default()))
            }
            Decision::Return(outcome) => Phase::Ended(outcome),
            Decision::InDoubt { attempt } => Phase::InDoubt(attempt),
            Decision::Park { code, reason } => {
                self.invocation.park(code, reason);
                Phase::Halted
            }
        }
    }

    /// Waits for the time of an attempt.
    pub(super) async fn wait_for(&self, due: &Due) {
        if let Some(not_before) = due.not_before {
            self.invocation.wait_until(not_before).await;
        }
    }

    pub(super) fn context(&self, attempt: u32) -> StepContext {
        StepContext::new(Arc::clone(&self.invocation), Arc::clone(&self.identity), attempt, self.timeout)
    }

    /// Records a failure that another attempt follows.
    pub(super) fn failed(&self, attempt: u32, error: &impl Serialize) -> Phase {
        let Some(json) = self.encode(attempt, error) else {
            return Phase::Halted;
        };
        let now = self.invocation.now();
        let seed = self.invocation.history().admission().seed;
        let retry_at = now.after(self.policy.wait_after(attempt, chance(seed, &self.identity, attempt)));
        self.invocation.stage(
            Record::Failed {
                step: (*self.identity).clone(),
                kind: self.kind,
                attempt,
                error: json,
                at: now.as_millis(),
                retry_at: retry_at.as_millis(),
            },
            Overlay::default(),
        );
        if !self.invocation.is_within_journal_limit(&self.identity) {
            return Phase::Halted;
        }
        Phase::Due(Due { attempt: attempt.saturating_add(1), not_before: Some(retry_at) })
    }

    /// Records the value of the step together with its table writes.
    pub(super) fn succeeded(&self, attempt: &StepContext, value: &impl Serialize) -> Phase {
        self.succeeded_with(attempt.attempt(), value, attempt.take_writes())
    }

    /// Records the value of the step together with these table writes.
    pub(super) fn succeeded_with(&self, attempt: u32, value: &impl Serialize, writes: Overlay) -> Phase {
        match self.encode(attempt, value) {
            Some(json) => Phase::Ended(self.ended(attempt, Outcome::Value(json), writes)),
            None => Phase::Halted,
        }
    }

    /// Records an outcome that is an error. Table writes of its attempt are gone.
    pub(super) fn ended_with_error(
        &self,
        attempt: u32,
        error: &impl Serialize,
        outcome: impl FnOnce(String) -> Outcome,
    ) -> Phase {
        match self.encode(attempt, error) {
            Some(json) => Phase::Ended(self.ended(attempt, outcome(json), Overlay::default())),
            None => Phase::Halted,
        }
    }

    fn ended(&self, attempt: u32, outcome: Outcome, writes: Overlay) -> Outcome {
        self.invocation.stage(
            Record::Ended {
                step: (*self.identity).clone(),
                kind: self.kind,
                attempt,
                outcome: outcome.clone(),
                at: self.invocation.now().as_millis(),
            },
            writes,
        );
        outcome
    }

    /// The JSON of an outcome. `None` when it cannot be recorded; the invocation is parked then.
    fn encode(&self, attempt: u32, value: &impl Serialize) -> Option<String> {
        let limit = self.invocation.surroundings.limits.outcome_bytes;
        outcome::encode(value, limit)
            .map_err(|why| {
                let reason = format!("the outcome of the step `{}` cannot be recorded: {why}", self.identity);
                self.invocation.stage(
                    Record::Unrecordable {
                        step: (*self.identity).clone(),
                        kind: self.kind,
                        attempt,
                        reason: reason.clone(),
                        at: self.invocation.now().as_millis(),
                    },
                    Overlay::default(),
                );
                self.invocation.park("outcome_not_recordable", reason);
            })
            .ok()
    }

    /// The outcome in the body's types. Does not end when it is not of them.
    pub(super) async fn decode<T: DeserializeOwned, E: DeserializeOwned>(&self, recorded: &Outcome) -> Result<T, E> {
        match outcome::decode(recorded) {
            Ok(decoded) => decoded,
            Err(error) => {
                self.invocation.park(
                    "outcome_not_decodable",
                    format!(
                        "the recorded outcome of the step `{}` is not of the type that this build expects: {error}; deploy a \
                         type that reads it (new fields with a serde default)",
                        self.identity
                    ),
                );
                self.invocation.suspend().await
            }
        }
    }
}
