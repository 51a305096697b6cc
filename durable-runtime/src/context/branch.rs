//! Branches that run beside each other in one body: `join!`, `try_join!` and `race!`.
//!
//! Each branch has a scope of its own, so the order in which branches come to their steps means nothing. Where the first of
//! several ends the wait, which one it was is recorded, in the batch of what it ended with; a replay then runs that one
//! alone, so that it cannot end otherwise.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::DurableContext;
use crate::journal::codec;
use crate::journal::identity::Identity;
use crate::journal::record::Record;
use crate::operation::Operation;
use crate::table::overlay::Overlay;

/// A branch, and what it gave.
struct Branch<'a, T> {
    operation: Operation<'a, T>,
    output: Option<T>,
}

impl<'a, T> Branch<'a, T> {
    fn new(operation: Operation<'a, T>) -> Self {
        Self { operation, output: None }
    }

    /// Whether the branch has ended.
    fn poll(&mut self, task: &mut Context<'_>) -> bool {
        if self.output.is_none()
            && let Poll::Ready(output) = Pin::new(&mut self.operation).poll(task)
        {
            self.output = Some(output);
        }
        self.output.is_some()
    }
}

/// Which branch ended a wait: as recorded, or to be recorded.
struct Ender<'a> {
    cx: &'a DurableContext,
    operation: Option<Identity>,
    recorded: Option<u32>,
}

impl<'a> Ender<'a> {
    fn new(cx: &'a DurableContext, macro_name: &str, label: &str) -> Self {
        let operation = cx.invocation.claim_unrecorded(cx.identity(macro_name, Some(label.to_owned())));
        let recorded = operation.as_ref().and_then(|operation| {
            let recorded = cx.invocation.history().operation(operation)?;
            codec::decode(recorded)
                .inspect_err(|error| {
                    let reason = format!("which branch ended `{operation}` is not readable: {error}");
                    cx.invocation.park("journal_damaged", reason);
                })
                .ok()
        });
        Self { cx, operation, recorded }
    }

    /// Whether this branch is polled at all.
    fn admits(&self, branch: u32) -> bool {
        self.operation.is_some() && self.recorded.is_none_or(|recorded| recorded == branch)
    }

    fn record(&mut self, branch: u32) {
        if self.recorded.is_none()
            && let Some(operation) = self.operation.take()
        {
            let result = codec::encode(&branch);
            self.cx.invocation.stage(Record::Operated { operation, result }, Overlay::default());
        }
    }
}

/// Branches that are all awaited.
pub trait Join<'a> {
    /// What all of them give.
    type Outputs;

    /// Awaits all of them.
    fn join(self) -> Operation<'a, Self::Outputs>;
}

/// Branches that are all awaited, up to the first error.
pub trait TryJoin<'a> {
    /// The values of all of them, or the first error.
    type Outputs;

    /// Awaits all of them, or an error.
    fn try_join(self, cx: &'a DurableContext, label: &'static str) -> Operation<'a, Self::Outputs>;
}

/// Branches of which the first to end is awaited.
pub trait Race<'a> {
    /// What each of them gives.
    type Output;

    /// Awaits the first.
    fn race(self, cx: &'a DurableContext, label: &'static str) -> Operation<'a, Self::Output>;
}

macro_rules! branches {
    ($($value:ident $branch:ident $number:literal)+) => {
        impl<'a, $($value: Send + 'a),+> Join<'a> for ($(Operation<'a, $value>,)+) {
            type Outputs = ($($value,)+);

            fn join(self) -> Operation<'a, Self::Outputs> {
                let ($($branch,)+) = self;
                $(let mut $branch = Branch::new($branch);)+
                Operation::new(poll_fn(move |task| {
                    // Every branch is polled, whether another one has ended or not.
                    let ended = [$($branch.poll(task)),+].iter().all(|ended| *ended);
                    if !ended {
                        return Poll::Pending;
                    }
                    match ($($branch.output.take(),)+) {
                        ($(Some($branch),)+) => Poll::Ready(($($branch,)+)),
                        _ => Poll::Pending,
                    }
                }))
            }
        }

        impl<'a, Error: Send + 'a, $($value: Send + 'a),+> TryJoin<'a> for ($(Operation<'a, Result<$value, Error>>,)+) {
            type Outputs = Result<($($value,)+), Error>;

            fn try_join(self, cx: &'a DurableContext, label: &'static str) -> Operation<'a, Self::Outputs> {
                let ($($branch,)+) = self;
                $(let mut $branch = Branch::new($branch);)+
                let mut ender = Ender::new(cx, "try_join", label);
                Operation::new(poll_fn(move |task| {
                    let mut all = true;
                    $(
                        if ender.admits($number) {
                            all &= $branch.poll(task);
                            if matches!($branch.output, Some(Err(_)))
                                && let Some(Err(error)) = $branch.output.take()
                            {
                                ender.record($number);
                                return Poll::Ready(Err(error));
                            }
                        } else {
                            all = false;
                        }
                    )+
                    if !all {
                        return Poll::Pending;
                    }
                    match ($($branch.output.take(),)+) {
                        ($(Some(Ok($branch)),)+) => Poll::Ready(Ok(($($branch,)+))),
                        _ => Poll::Pending,
                    }
                }))
            }
        }
    };
}

branches!(A a 0);
branches!(A a 0 B b 1);
branches!(A a 0 B b 1 C c 2);
branches!(A a 0 B b 1 C c 2 D d 3);
branches!(A a 0 B b 1 C c 2 D d 3 E e 4);
branches!(A a 0 B b 1 C c 2 D d 3 E e 4 F f 5);
branches!(A a 0 B b 1 C c 2 D d 3 E e 4 F f 5 G g 6);
branches!(A a 0 B b 1 C c 2 D d 3 E e 4 F f 5 G g 6 H h 7);

impl<'a, T: Send + 'a, const N: usize> Race<'a> for [Operation<'a, T>; N] {
    type Output = T;

    fn race(mut self, cx: &'a DurableContext, label: &'static str) -> Operation<'a, T> {
        let mut ender = Ender::new(cx, "race", label);
        Operation::new(poll_fn(move |task| {
            for (number, branch) in (0..).zip(&mut self) {
                if ender.admits(number)
                    && let Poll::Ready(output) = Pin::new(branch).poll(task)
                {
                    ender.record(number);
                    return Poll::Ready(output);
                }
            }
            Poll::Pending
        }))
    }
}

/// The context of a branch.
pub fn branch(cx: &DurableContext, label: &'static str) -> DurableContext {
    cx.within(label)
}

/// The context of a helper function's call: of several calls in one scope each after the first is numbered, unless they
/// have keys.
pub fn enter(cx: &DurableContext, function: &'static str, key: Option<&dyn std::fmt::Display>) -> DurableContext {
    let key = key.map(ToString::to_string);
    match cx.invocation.claim_unrecorded(cx.identity(function, key)) {
        Some(identity) => cx.within(&match identity.key {
            Some(key) => format!("{}[{key}]", identity.name),
            None => identity.name,
        }),
        // The invocation is parked, and the body goes no further than this poll.
        None => cx.within(function),
    }
}
