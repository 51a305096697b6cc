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

/// A branch that has begun, and what it gave.
pub struct Branch<'a, T> {
    cx: &'a DurableContext,
    operation: Operation<'a, T>,
    output: Option<T>,
}

impl<T> Branch<'_, T> {
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
    branches: Vec<&'a DurableContext>,
    operation: Option<Identity>,
    recorded: Option<u32>,
}

impl<'a> Ender<'a> {
    fn new(cx: &'a DurableContext, macro_name: &'static str, label: &str, branches: Vec<&'a DurableContext>) -> Self {
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
        Self { cx, branches, operation, recorded }
    }

    /// Whether this branch is polled at all.
    fn admits(&self, branch: u32) -> bool {
        self.operation.is_some() && self.recorded.is_none_or(|recorded| recorded == branch)
    }

    /// This branch has ended the wait.
    fn end(&mut self, branch: u32) {
        for (_, other) in (0..).zip(&self.branches).filter(|(number, _)| *number != branch) {
            self.cx.invocation.pass_over(other.scope.clone());
        }
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
#[diagnostic::on_unimplemented(
    message = "`try_join!` ends at the first error, so each of its branches yields a `Result`, all with the same error",
    label = "a branch yields no `Result`, or another error than the others",
    note = "use `join!` where every branch is awaited to its end, or `.map_err(..)` in a branch"
)]
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
        impl<'a, $($value: Send + 'a),+> Join<'a> for ($(Branch<'a, $value>,)+) {
            type Outputs = ($($value,)+);

            fn join(self) -> Operation<'a, Self::Outputs> {
                let ($(mut $branch,)+) = self;
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

        #[diagnostic::do_not_recommend]
        impl<'a, Error: Send + 'a, $($value: Send + 'a),+> TryJoin<'a> for ($(Branch<'a, Result<$value, Error>>,)+) {
            type Outputs = Result<($($value,)+), Error>;

            fn try_join(self, cx: &'a DurableContext, label: &'static str) -> Operation<'a, Self::Outputs> {
                let ($(mut $branch,)+) = self;
                let mut ender = Ender::new(cx, "try_join", label, vec![$($branch.cx),+]);
                Operation::new(poll_fn(move |task| {
                    let mut all = true;
                    $(
                        if ender.admits($number) {
                            all &= $branch.poll(task);
                            if matches!($branch.output, Some(Err(_)))
                                && let Some(Err(error)) = $branch.output.take()
                            {
                                ender.end($number);
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

impl<'a, T: Send + 'a, const N: usize> Race<'a> for [Branch<'a, T>; N] {
    type Output = T;

    fn race(mut self, cx: &'a DurableContext, label: &'static str) -> Operation<'a, T> {
        let mut ender = Ender::new(cx, "race", label, self.iter().map(|branch| branch.cx).collect());
        Operation::new(poll_fn(move |task| {
            for (number, branch) in (0..).zip(&mut self) {
                if ender.admits(number)
                    && let Poll::Ready(output) = Pin::new(&mut branch.operation).poll(task)
                {
                    ender.end(number);
                    return Poll::Ready(output);
                }
            }
            Poll::Pending
        }))
    }
}

/// The context of a branch. Each time that the body comes to it, it is another scope: a branch that lost, and so is not run
/// again in a replay, must not be the reason that what happens in the next round is taken for something else.
pub fn branch(cx: &DurableContext, label: &'static str) -> DurableContext {
    // No function has a name that begins like this.
    scope(cx, format!("|{label}"), None)
}

/// Begins a branch.
pub fn start<'a, T>(cx: &'a DurableContext, branch: impl Future<Output = T> + Send + 'a) -> Branch<'a, T> {
    Branch { cx, operation: Operation::new(branch), output: None }
}

/// The context of a durable function's call: of several calls in one scope each after the first is numbered, unless they
/// have keys.
pub fn enter(cx: &DurableContext, function: &'static str, key: Option<String>) -> DurableContext {
    scope(cx, function.to_owned(), key)
}

fn scope(cx: &DurableContext, name: String, key: Option<String>) -> DurableContext {
    let part = cx.identity(name, key);
    // Without an identity the invocation is parked, and the body goes no further than this poll.
    cx.within(&cx.invocation.claim_unrecorded(part.clone()).unwrap_or(part))
}
