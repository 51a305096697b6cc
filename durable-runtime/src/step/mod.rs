//! Steps: the two protocols, and what they share.

mod at_least;
mod at_most;
mod attempt;
mod bound;
mod core;
mod outcome;
mod reconcile;
mod retry;

pub use at_least::{AtLeast, at_least};
pub use at_most::{AtMost, at_most, never};
pub use attempt::{AttemptEnd, Next, StepContext, attempt};
pub use bound::{InDoubtError, StepError, StepKey, StepResult, StepValue, TimedOutError, key};
pub use outcome::{Never, infallible};
pub use reconcile::{NextOrInDoubt, Reconciled, Reconciliation};
