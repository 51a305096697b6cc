//! What a step asks of the types in it, each with a compiler message of its own.
//!
//! These traits are implemented for everything that fits, and exist for what the compiler says of the rest.

use std::fmt::Display;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{AtMostOnceFailedBeforeCompleting, StepTimedOut};

/// What the expression of a step yields.
#[diagnostic::on_unimplemented(
    message = "a step yields a `Result`, and this one yields `{Self}`",
    label = "this is no `Result`",
    note = "if it cannot fail, write `infallible` in the marker; else let the expression yield a `Result`"
)]
pub trait StepResult {
    /// What it yields if it succeeds.
    type Value;
    /// What it yields if it fails.
    type Error;

    /// As the `Result` that it is.
    fn into_result(self) -> Result<Self::Value, Self::Error>;
    /// From the `Result` that it is.
    fn from_result(result: Result<Self::Value, Self::Error>) -> Self;
}

impl<T, E> StepResult for Result<T, E> {
    type Value = T;
    type Error = E;

    fn into_result(self) -> Self {
        self
    }

    fn from_result(result: Self) -> Self {
        result
    }
}

/// A value that can be recorded as the outcome of a step.
#[diagnostic::on_unimplemented(
    message = "the value of a step is recorded as JSON, and `{Self}` cannot be",
    label = "yields a `{Self}`",
    note = "derive `serde::Serialize` and `serde::Deserialize` for it, or let the step yield what is needed of it, as \
            in `call().await.map(|value| value.id)?`"
)]
pub trait StepValue: Serialize + DeserializeOwned {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned> StepValue for T {}

/// An error that can be recorded as the outcome of a step.
#[diagnostic::on_unimplemented(
    message = "the error of a step is recorded as JSON, and `{Self}` cannot be",
    label = "fails with a `{Self}`",
    note = "let the step end with `.map_err(ToolError::from)`, or derive `serde::Serialize` and `serde::Deserialize` \
            for the error"
)]
pub trait StepError: Serialize + DeserializeOwned {}

#[diagnostic::do_not_recommend]
impl<E: Serialize + DeserializeOwned> StepError for E {}

/// An error that a step in doubt can end with.
#[diagnostic::on_unimplemented(
    message = "a crash leaves an `at_most` step in doubt, and `{Self}` has no form for that",
    label = "the step fails with a `{Self}`",
    note = "implement `From<AtMostOnceFailedBeforeCompleting>` for the error, or use `ToolError`"
)]
pub trait InDoubtError: From<AtMostOnceFailedBeforeCompleting> {}

#[diagnostic::do_not_recommend]
impl<E: From<AtMostOnceFailedBeforeCompleting>> InDoubtError for E {}

/// An error that a step can end with when its time is over.
#[diagnostic::on_unimplemented(
    message = "an attempt that runs out of time is an error, and `{Self}` has no form for that",
    label = "the step fails with a `{Self}`",
    note = "implement `From<StepTimedOut>` for the error, or use `ToolError`"
)]
pub trait TimedOutError: From<StepTimedOut> {}

#[diagnostic::do_not_recommend]
impl<E: From<StepTimedOut>> TimedOutError for E {}

/// What tells the rounds of a loop apart.
#[diagnostic::on_unimplemented(
    message = "a key is recorded as text, and `{Self}` has none",
    label = "has no `Display`",
    note = "write what implements `std::fmt::Display`, as in `key = item.id` or `key = format!(\"{{}} {{}}\", a, b)`"
)]
pub trait StepKey: Display {}

#[diagnostic::do_not_recommend]
impl<K: Display + ?Sized> StepKey for K {}

/// The key of a durable function's call, as it is recorded.
pub fn key<K: StepKey + ?Sized>(key: &K) -> Option<String> {
    Some(key.to_string())
}
