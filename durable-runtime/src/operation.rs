//! The futures of the framework, which a tool's body may await without a marker.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::context::{QuestionOperation, TransactionOperation};

/// A durable operation: what it gives is recorded, and a replay gives it again.
///
/// Tables, timers, joined branches and functions under `#[durable]` give it.
#[must_use = "futures do nothing unless they are awaited"]
pub struct Operation<'a, T>(Pin<Box<dyn Future<Output = T> + Send + 'a>>);

impl<'a, T> Operation<'a, T> {
    pub(crate) fn new(operation: impl Future<Output = T> + Send + 'a) -> Self {
        Self(Box::pin(operation))
    }
}

impl<T> fmt::Debug for Operation<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operation").finish_non_exhaustive()
    }
}

impl<T> Future for Operation<'_, T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

/// A future of the framework, which a tool's body may await without a marker: what it gives is recorded.
#[diagnostic::on_unimplemented(
    message = "this `.await` is not durable: after a crash it would run again",
    label = "awaited without a marker",
    note = "mark it `#[once(at_least)]` if it may happen more than once, `#[once(at_most)]` if it must not"
)]
pub trait DurableFuture: Future + sealed::Sealed {}

mod sealed {
    pub trait Sealed {}
}

impl<T> sealed::Sealed for Operation<'_, T> {}
impl<T> DurableFuture for Operation<'_, T> {}
impl<T, E> sealed::Sealed for TransactionOperation<'_, T, E> where Self: Future {}
impl<T, E> DurableFuture for TransactionOperation<'_, T, E> where Self: Future {}
impl<A> sealed::Sealed for QuestionOperation<'_, A> where Self: Future {}
impl<A> DurableFuture for QuestionOperation<'_, A> where Self: Future {}

/// Lets only durable futures through.
pub fn durable<F: DurableFuture>(future: F) -> F {
    future
}

/// The type of what a function returns, told before its body: never a value.
pub fn returns<T>() -> Option<T> {
    None
}

/// Makes a durable operation of a block in which a macro has looked after every await.
pub fn operation<'a, T>(block: impl Future<Output = T> + Send + 'a) -> Operation<'a, T> {
    Operation::new(block)
}
