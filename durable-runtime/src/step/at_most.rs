//! The protocol of a step that is marked `#[once(at_most)]`.
//!
//! The start of an attempt is durable before the attempt: a crash between the start and the recorded end leaves the step in
//! doubt, and a step in doubt is never repeated.

use std::time::Duration;

use super::attempt::{AttemptEnd, Next, StepContext};
use super::bound::{InDoubtError, StepError, StepResult, StepValue};
use super::core::{Phase, StepCore};
use super::reconcile::Inquiry;
use crate::context::DurableContext;
use crate::error::AtMostOnceFailedBeforeCompleting;
use crate::journal::record::{Outcome, Record, StepKind};
use crate::table::overlay::Overlay;

/// A step whose effect happens once or not at all.
pub struct AtMost<R> {
    pub(super) core: StepCore,
    pub(super) phase: Phase,
    /// Whether it is asked what became of an attempt in doubt.
    reconciles: bool,
    pub(super) inquiry: Option<Inquiry>,
    result: std::marker::PhantomData<fn() -> R>,
}

/// Begins a step.
pub fn at_most<R>(cx: &DurableContext, name: &'static str) -> AtMost<R> {
    AtMost {
        core: StepCore::new(cx, name, StepKind::AtMostOnce),
        phase: Phase::Undecided,
        reconciles: false,
        inquiry: None,
        result: std::marker::PhantomData,
    }
}

/// The answer of a step without `retry_on` to whether an error may be followed by another attempt.
pub fn never<E>(_: &E) -> bool {
    false
}

impl<R> AtMost<R> {
    super::retry::options!();

    /// An attempt that runs longer is dropped, and in doubt.
    #[must_use]
    pub fn timeout_ms(mut self, millis: u64) -> Self {
        self.core.timeout = Some(Duration::from_millis(millis));
        self
    }

    /// It is asked what became of an attempt in doubt.
    #[must_use]
    pub fn reconcile(mut self) -> Self {
        self.reconciles = true;
        self
    }
}

impl<R: StepResult<Value: StepValue, Error: StepError + InDoubtError>> AtMost<R> {
    /// Gives the step's outcome, or the next attempt to be made.
    pub async fn next(&mut self) -> Next<R> {
        if matches!(self.phase, Phase::Undecided) {
            self.phase = self.core.begin();
        }
        if let Phase::InDoubt(attempt) = self.phase {
            self.phase = self.in_doubt(attempt);
        }
        match &self.phase {
            Phase::Ended(outcome) => Next::Outcome(R::from_result(self.core.decode(outcome).await)),
            Phase::Due(due) => {
                self.core.wait_for(due).await;
                if self.core.invocation.is_held_back() {
                    // A start that is recorded and not made would be in doubt for nothing.
                    self.core.invocation.suspend().await;
                }
                self.core.invocation.stage(
                    Record::Started {
                        step: (*self.core.identity).clone(),
                        attempt: due.attempt,
                        at: self.core.invocation.now().as_millis(),
                    },
                    Overlay::default(),
                );
                self.core.invocation.permission_to_start().await;
                Next::Attempt(self.core.context(due.attempt))
            }
            Phase::Undecided | Phase::InDoubt(_) | Phase::Halted => self.core.invocation.suspend().await,
        }
    }

    pub(super) fn in_doubt(&self, attempt: u32) -> Phase {
        self.core.ended_with_error(attempt, &self.in_doubt_error(attempt), Outcome::InDoubt)
    }

    pub(super) fn in_doubt_error(&self, attempt: u32) -> R::Error {
        AtMostOnceFailedBeforeCompleting::new(self.core.identity.to_string(), attempt).into()
    }

    /// Takes in how an attempt ended; `is_retryable` tells the errors that another attempt may follow.
    pub fn end(&mut self, attempt: &StepContext, end: AttemptEnd<R>, is_retryable: impl FnOnce(&R::Error) -> bool) {
        let number = attempt.attempt();
        self.phase = match end {
            AttemptEnd::TimedOut(_) if self.reconciles => Phase::InDoubt(number),
            AttemptEnd::TimedOut(_) => self.in_doubt(number),
            AttemptEnd::Returned(result) => match result.into_result() {
                Ok(value) => self.core.succeeded(attempt, &value),
                Err(error) if self.core.policy.allows(number.saturating_add(1)) && is_retryable(&error) => {
                    self.core.failed(number, &error)
                }
                Err(error) => self.core.ended_with_error(number, &error, Outcome::Error),
            },
        };
    }
}
