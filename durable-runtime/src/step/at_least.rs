//! The protocol of a step that is marked `#[once(at_least)]`.
//!
//! Nothing is recorded of an attempt before it ends, so a crash during one is as if it had not been made, and it is made
//! again. What is durable before it starts is all that the body has seen.

use std::time::Duration;

use super::attempt::{AttemptEnd, Next, StepContext};
use super::bound::{StepError, StepResult, StepValue, TimedOutError};
use super::core::{Phase, StepCore};
use crate::context::DurableContext;
use crate::error::StepTimedOut;
use crate::journal::record::{Outcome, StepKind};

/// A step whose effect happens once or more.
pub struct AtLeast<R> {
    core: StepCore,
    phase: Phase,
    timed_out: Option<fn(StepTimedOut) -> R>,
}

/// Begins a step.
pub fn at_least<R>(cx: &DurableContext, name: &'static str) -> AtLeast<R> {
    AtLeast { core: StepCore::new(cx, name, StepKind::AtLeastOnce), phase: Phase::Undecided, timed_out: None }
}

impl<R> AtLeast<R> {
    super::retry::options!();

    /// An attempt that runs longer has failed.
    #[must_use]
    pub fn timeout_ms(mut self, millis: u64) -> Self
    where
        R: StepResult<Error: TimedOutError>,
    {
        self.core.timeout = Some(Duration::from_millis(millis));
        self.timed_out = Some(|timed_out| R::from_result(Err(timed_out.into())));
        self
    }
}

impl<R: StepResult<Value: StepValue, Error: StepError>> AtLeast<R> {
    /// Gives the step's outcome, or the next attempt to be made.
    pub async fn next(&mut self) -> Next<R> {
        if matches!(self.phase, Phase::Undecided) {
            self.phase = self.core.begin();
        }
        match &self.phase {
            Phase::Ended(outcome) => Next::Outcome(R::from_result(self.core.decode(outcome).await)),
            Phase::Due(due) => {
                self.core.wait_for(due).await;
                self.core.invocation.permission_to_start().await;
                Next::Attempt(self.core.context(due.attempt))
            }
            Phase::Undecided | Phase::InDoubt(_) | Phase::Halted => self.core.invocation.suspend().await,
        }
    }

    /// Takes in how an attempt ended.
    pub fn end(&mut self, attempt: &StepContext, end: AttemptEnd<R>) {
        let number = attempt.attempt();
        let result = match end {
            AttemptEnd::Returned(result) => result,
            AttemptEnd::TimedOut(timed_out) => match self.timed_out {
                Some(into_result) => into_result(timed_out),
                None => unreachable!("only a step with a timeout times out"),
            },
        };
        let error = match result.into_result() {
            Ok(value) => {
                self.phase = self.core.succeeded(attempt, &value);
                return;
            }
            Err(error) => error,
        };
        self.phase = if self.core.policy.allows(number.saturating_add(1)) {
            self.core.failed(number, &error)
        } else {
            self.core.ended_with_error(number, &error, Outcome::Error)
        };
    }
}
