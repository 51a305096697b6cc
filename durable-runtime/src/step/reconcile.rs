//! What became of an attempt in doubt: the outside system is asked, instead of giving up.
//!
//! The question is a step of its own, in a scope of the step that is in doubt, one for each attempt. Its outcome and what
//! follows from it are recorded in one batch.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::attempt::{AttemptEnd, StepContext};
use super::bound::{InDoubtError, StepError, StepResult, StepValue};
use super::core::{Phase, StepCore};
use crate::journal::identity::Identity;
use crate::journal::record::{Outcome, StepKind};
use crate::step::AtMost;
use crate::table::overlay::Overlay;

/// What a `reconcile` function found out about an attempt that a crash or a timeout cut off.
///
/// ```
/// use durable_runtime::prelude::*;
/// # #[derive(Default)]
/// # struct Payments(std::collections::HashMap<String, String>);
///
/// /// Asks the payment service what it has under the key that the attempt had.
/// async fn find_charge(cx: &StepContext, payments: &Payments) -> Result<Reconciled<String>, ToolError> {
///     Ok(match payments.0.get(&cx.idempotency_key().to_string()) {
///         Some(receipt) => Reconciled::Happened(receipt.clone()),
///         None => Reconciled::DidNotHappen,
///     })
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reconciled<T> {
    /// The effect happened, and the step has this value.
    Happened(T),
    /// The effect did not happen and will not any more: the step is tried again, if its retries allow another attempt.
    DidNotHappen,
    /// It cannot be told: the step ends with `AtMostOnceFailedBeforeCompleting`.
    Unknown,
}

/// What a `reconcile` function of a step with the value `T` yields.
#[diagnostic::on_unimplemented(
    message = "`reconcile` tells what became of an attempt, and this one yields `{Self}`",
    label = "yields a `{Self}`",
    note = "let the function return `Result<Reconciled<{T}>, ToolError>`, with the value of the step"
)]
pub trait Reconciliation<T> {
    /// The error of an inquiry that failed.
    type Error: StepError;

    /// As the `Result` that it is.
    fn into_reconciled(self) -> Result<Reconciled<T>, Self::Error>;
}

impl<T, E: StepError> Reconciliation<T> for Result<Reconciled<T>, E> {
    type Error = E;

    fn into_reconciled(self) -> Self {
        self
    }
}

/// What a step with a `reconcile` function does next.
pub enum NextOrInDoubt<R> {
    /// Make this attempt.
    Attempt(StepContext),
    /// Ask what became of this attempt.
    InDoubt(StepContext),
    /// Go on with this outcome.
    Outcome(R),
}

/// The step in which is asked what became of one attempt.
pub(super) struct Inquiry {
    core: StepCore,
    phase: Phase,
}

impl Inquiry {
    pub(super) fn new(step: &StepCore, attempt: u32) -> Self {
        let core = StepCore {
            invocation: step.invocation.clone(),
            identity: Identity {
                scope: scope(&step.identity),
                name: "reconcile".into(),
                key: Some(attempt.to_string()),
            }
            .into(),
            kind: StepKind::AtLeastOnce,
            policy: step.policy,
            timeout: step.timeout,
        };
        let phase = core.begin();
        Self { core, phase }
    }
}

/// The scope of the inquiries about a step. No step has an empty name, so this is nobody else's.
pub(super) fn scope(step: &Identity) -> String {
    format!("{}/[in doubt]", step.as_scope())
}

impl<R: StepResult<Value: StepValue, Error: StepError + InDoubtError>> AtMost<R> {
    /// Gives the step's outcome, the next attempt to be made, or the one to be asked about.
    pub async fn next_or_in_doubt(&mut self) -> NextOrInDoubt<R> {
        loop {
            if matches!(self.phase, Phase::Undecided) {
                self.phase = self.core.begin();
                // The inquiries about a step with an outcome are not come to again.
                self.core.invocation.pass_over(scope(&self.core.identity));
            }
            let Phase::InDoubt(attempt) = self.phase else { break };
            let inquiry = self.inquiry.get_or_insert_with(|| Inquiry::new(&self.core, attempt));
            match &inquiry.phase {
                Phase::Due(due) => {
                    inquiry.core.wait_for(due).await;
                    inquiry.core.invocation.permission_to_start().await;
                    return NextOrInDoubt::InDoubt(self.core.context(attempt));
                }
                Phase::Ended(outcome) => {
                    let outcome = outcome.clone();
                    let found = inquiry.core.decode_value(&outcome).await;
                    self.conclude(attempt, found, Overlay::default());
                }
                Phase::Undecided | Phase::InDoubt(_) | Phase::Halted => self.core.invocation.suspend().await,
            }
        }
        match self.next().await {
            super::Next::Attempt(attempt) => NextOrInDoubt::Attempt(attempt),
            super::Next::Outcome(outcome) => NextOrInDoubt::Outcome(outcome),
        }
    }

    /// Takes in what was found out about an attempt. Tables that were written while it was asked join the step's commit.
    pub fn reconciled<Q: StepResult + Reconciliation<R::Value>>(&mut self, attempt: &StepContext, end: AttemptEnd<Q>) {
        let Some(inquiry) = &mut self.inquiry else { unreachable!("an inquiry is under way") };
        let Phase::Due(due) = &inquiry.phase else { unreachable!("one that was to be made") };
        let number = due.attempt;
        let may_ask_again = inquiry.core.policy.allows(number.saturating_add(1));
        let (found, failure) = match end {
            AttemptEnd::Returned(result) => match result.into_reconciled() {
                Ok(found) => (found, None),
                Err(error) => (Reconciled::Unknown, Some(serde_json::to_value(error).unwrap_or_default())),
            },
            AttemptEnd::TimedOut(timed_out) => (Reconciled::Unknown, Some(timed_out.to_string().into())),
        };
        match failure {
            Some(error) if may_ask_again => {
                inquiry.phase = inquiry.core.failed(number, &error);
                return;
            }
            Some(error) => inquiry.phase = inquiry.core.ended_with_error(number, &error, Outcome::Error),
            None => inquiry.phase = inquiry.core.succeeded_with(number, &found, Overlay::default()),
        }
        if matches!(inquiry.phase, Phase::Ended(_)) {
            self.conclude(attempt.attempt(), found, attempt.take_writes());
        }
    }

    fn conclude(&mut self, attempt: u32, found: Reconciled<R::Value>, writes: Overlay) {
        self.inquiry = None;
        self.phase = match found {
            Reconciled::Happened(value) => self.core.succeeded_with(attempt, &value, writes),
            Reconciled::DidNotHappen if self.core.policy.allows(attempt.saturating_add(1)) => {
                self.core.failed(attempt, &self.in_doubt_error(attempt))
            }
            Reconciled::DidNotHappen | Reconciled::Unknown => self.in_doubt(attempt),
        };
    }
}

impl StepCore {
    /// What the inquiry of an earlier run found out. An inquiry that failed found out nothing.
    async fn decode_value<T: DeserializeOwned>(&self, recorded: &Outcome) -> Reconciled<T> {
        match recorded {
            Outcome::Value(_) => self.decode::<_, serde_json::Value>(recorded).await.unwrap_or(Reconciled::Unknown),
            Outcome::Error(_) | Outcome::InDoubt(_) => Reconciled::Unknown,
        }
    }
}
