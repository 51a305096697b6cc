//! What undoes a cancelled call: the function that `on_cancel` names.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use crate::context::DurableContext;
use crate::operation::DurableFuture;

/// What stands for the scope of a compensation in the journal. No function has a name that begins like this.
pub(crate) const SCOPE: &str = "^on_cancel";

/// A compensation, not yet begun; it gives why it failed, if it did.
#[doc(hidden)]
pub struct Compensation(pub(crate) Box<dyn FnOnce(DurableContext) -> Undoing + Send>);

pub(crate) type Undoing = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;

impl Compensation {
    /// One that runs this function.
    pub fn new<F, Fut>(function: F) -> Self
    where
        F: FnOnce(DurableContext) -> Fut + Send + 'static,
        Fut: Future<Output: Undone> + Send + 'static,
    {
        Self(Box::new(move |cx| {
            let undoing = function(cx);
            Box::pin(async move { undoing.await.into_result() })
        }))
    }
}

/// What a compensation gives.
#[diagnostic::on_unimplemented(
    message = "a compensation gives `()` or a `Result`, and `{Self}` is none",
    label = "gives a `{Self}`",
    note = "let it return `Result<(), ToolError>`"
)]
pub trait Undone {
    #[doc(hidden)]
    fn into_result(self) -> Result<(), String>;
}

impl Undone for () {
    fn into_result(self) -> Result<(), String> {
        Ok(())
    }
}

impl<T, E: fmt::Display> Undone for Result<T, E> {
    fn into_result(self) -> Result<(), String> {
        self.map(drop).map_err(|error| error.to_string())
    }
}

/// The future of a function that can be a compensation.
#[diagnostic::on_unimplemented(
    message = "what undoes a call is durable itself, and this function is not",
    label = "its future is not durable",
    note = "write `#[durable]` above the function that `on_cancel` names"
)]
pub trait DurableCompensation: Future {}

impl<F: DurableFuture> DurableCompensation for F {}

/// Lets only durable functions be compensations.
#[doc(hidden)]
pub fn compensation<F: DurableCompensation>(future: F) -> F {
    future
}

/// What became of a step of a cancelled call, for the function that undoes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CancelledStep<T> {
    /// The call had not come to it.
    NotBegun,
    /// It gave this.
    Succeeded(T),
    /// It failed.
    Failed,
    /// It may have happened or not.
    InDoubt,
}
