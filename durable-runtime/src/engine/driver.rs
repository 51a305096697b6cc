//! One run of a body: polls it, and commits what each poll produces.

use std::any::Any;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::execution::{Run, Undo};
use super::interruption::{Interrupter, Interruption, InterruptionSignal};
use super::invocation::{BatchEnd, Halt, Invocation};
use super::stop::Stop;
use crate::audit::{Audit, CallEnd, EndedCall};
use crate::clock::Timestamp;
use crate::context::DurableContext;
use crate::journal::record::{Conclusion, Ended, Unfinished};
use crate::store::{Batch, CommitError, StoreError, StoreFuture};
use crate::tool::Conclude;

/// How a run ended.
pub(super) enum End {
    /// The invocation ended, durably.
    Ended(Ended),
    /// It is parked, durably.
    Parked { code: String, reason: String },
    /// The body panicked.
    Panicked(String),
    /// The store failed; what of the last batch is durable is not known.
    StoreFailed(StoreError),
    /// Somebody else has gone on with the invocation.
    Lost,
    /// It is cancelled, durably, and what it did is to be undone.
    Cancelled,
    /// Its client has gone, and it waits, durably, for that one to come back.
    Suspended(Timestamp),
    /// All that it does is wait until then, and its body is dropped.
    Waiting(Timestamp),
    /// The server stops.
    Stopped,
}

/// Polls a future, and gives the message of a panic in it.
pub(super) fn poll_caught<T>(
    future: Pin<&mut (impl Future<Output = T> + ?Sized)>,
    task: &mut Context<'_>,
) -> Poll<Result<T, String>> {
    match catch_unwind(AssertUnwindSafe(|| future.poll(task))) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
        Err(panic) => Poll::Ready(Err(panic_message(&*panic))),
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a text".to_owned())
}

pub(super) async fn run(
    run: Run,
    audits: &[Audit],
    interruption: &InterruptionSignal,
    stopping: &Stop,
    abandoning: &Stop,
) -> End {
    let (invocation, undo) = (run.invocation, run.undoing);
    invocation.begin_run();
    let mut body = (run.body)(DurableContext::new(Arc::clone(&invocation)));
    let mut interrupter = Interrupter::new(&invocation, interruption, undo == Undo::Now);
    let (mut stop, mut abandonment) = (pin!(stopping.said()), pin!(abandoning.said()));
    let mut waker: Option<Waker> = None;
    let mut is_stopping = false;
    let mut commit: Option<StoreFuture<'static, Result<(), CommitError>>> = None;
    let mut end = None;
    let mut end_is_in_commit = false;
    let mut error_type = None;
    let mut panicked = None;
    poll_fn(move |task| {
        let is_awaited = waker.as_ref().is_some_and(|waker| waker.will_wake(task.waker()));
        if (!is_awaited || abandoning.is_said()) && abandonment.as_mut().poll(task).is_ready() {
            return Poll::Ready(End::Stopped);
        }
        if !is_stopping && (!is_awaited || stopping.is_said()) && stop.as_mut().poll(task).is_ready() {
            is_stopping = true;
            invocation.stop();
        }
        if !is_awaited {
            waker = Some(task.waker().clone());
        }
        let mut body_is_due = true;
        loop {
            if let Some(committing) = &mut commit {
                match committing.as_mut().poll(task) {
                    Poll::Ready(Ok(())) => {
                        commit = None;
                        invocation.acknowledge();
                        body_is_due = true;
                        if end_is_in_commit && let Some(end) = end.take() {
                            return Poll::Ready(ended(end));
                        }
                    }
                    Poll::Ready(Err(CommitError::GuardFailed(_))) => return Poll::Ready(End::Lost),
                    Poll::Ready(Err(CommitError::Store(error))) => return Poll::Ready(End::StoreFailed(error)),
                    Poll::Pending => {}
                }
            }
            // The body is polled while a commit is under way too: attempts that were allowed to start go on meanwhile.
            if end.is_none() && panicked.is_none() {
                end = interrupter.poll(task).map(|why| interrupted(&invocation, why, undo));
            }
            if end.is_none() && panicked.is_none() && std::mem::take(&mut body_is_due) {
                let polled = match poll_caught(body.as_mut(), task) {
                    Poll::Ready(Ok(concluded)) => Some(concluded),
                    Poll::Ready(Err(panic)) => {
                        // The call stays admitted, and a commit that is under way may be its admission.
                        invocation.forget_unfinished_poll();
                        panicked = Some(panic);
                        continue;
                    }
                    Poll::Pending => None,
                };
                match invocation.halted() {
                    Some(Halt::StoreFailed(error)) => return Poll::Ready(End::StoreFailed(error)),
                    Some(Halt::Park { code, reason }) => end = Some(parked(&invocation, code, reason)),
                    None => {
                        end = match interrupter.due() {
                            // The last attempt has ended, and the body goes no further, whether it has come to its end or not.
                            Some(why) => Some(interrupted(&invocation, why, undo)),
                            None => polled.map(|concluded| {
                                error_type = concluded.as_ref().ok().and_then(|concluded| concluded.error_type.clone());
                                conclude(&invocation, concluded)
                            }),
                        };
                    }
                }
            }
            let is_open = end.is_none() && panicked.is_none();
            invocation.say_whether_it_rests(commit.is_some() || !is_open);
            if commit.is_some() {
                if is_open && interrupter.poll_timer(task) {
                    continue;
                }
                return Poll::Pending;
            }
            let Some(mut batch) = invocation.take_batch(end.as_ref()) else {
                if let Some(panic) = panicked.take() {
                    return Poll::Ready(End::Panicked(panic));
                }
                if is_stopping && invocation.is_at_rest() {
                    return Poll::Ready(End::Stopped);
                }
                if let Some(until) = invocation.evicted_until() {
                    return Poll::Ready(End::Waiting(until));
                }
                if interrupter.poll_timer(task) {
                    continue;
                }
                return Poll::Pending;
            };
            if let Some(BatchEnd::Ended(ended)) = &end {
                audit(&invocation, ended, error_type.as_deref(), audits, &mut batch);
            }
            end_is_in_commit = end.is_some();
            let store = &invocation.surroundings.store;
            // Nothing else of the body goes on, and the next poll is not kept from hearing that the server stops.
            let is_alone = !invocation.has_attempt() && !stopping.is_said() && !abandoning.is_said();
            commit = Some(if is_alone { store.commit_in_place(batch) } else { store.commit(batch) });
        }
    })
    .await
}

fn conclude(invocation: &Invocation, concluded: Result<Conclude, serde_json::Error>) -> BatchEnd {
    invocation.warn_of_missed();
    let conclusion = match concluded {
        Ok(Conclude { conclusion, .. }) => conclusion,
        Err(error) => {
            return parked(
                invocation,
                "result_not_recordable".into(),
                format!("the tool's result does not serialize to JSON: {error}; deploy a type that does"),
            );
        }
    };
    let bytes = match &conclusion {
        Conclusion::Succeeded { value } | Conclusion::Presented { content: value } => value.len(),
        Conclusion::Failed { message, error } | Conclusion::Refused { message, error } => message.len() + error.len(),
        Conclusion::TimedOut { .. } | Conclusion::Cancelled { .. } => 0,
    };
    let limit = invocation.surroundings.limits.outcome_bytes;
    if bytes > limit {
        return parked(
            invocation,
            "result_too_large".into(),
            format!(
                "the tool's result has {bytes} bytes, and {limit} is the most; return a reference to the data instead"
            ),
        );
    }
    ended_with(invocation, conclusion)
}

fn ended_with(invocation: &Invocation, conclusion: Conclusion) -> BatchEnd {
    let admission = invocation.history().admission();
    BatchEnd::Ended(Ended {
        tool: admission.tool.clone(),
        principal: admission.principal.clone(),
        conclusion,
        admitted_at: admission.at,
        at: invocation.now().as_millis(),
    })
}

/// Puts the entries of an ended invocation into the batch of its end.
fn audit(invocation: &Invocation, ended: &Ended, error_type: Option<&str>, audits: &[Audit], batch: &mut Batch) {
    let call = EndedCall {
        tool: &ended.tool,
        invocation: Some(invocation.id),
        arguments: &invocation.history().admission().arguments,
        end: CallEnd::of(&ended.conclusion, error_type),
        admitted_at: ended.admitted_at,
        at: ended.at,
    };
    call.put(audits, &invocation.surroundings.audit_keys, batch);
}

fn interrupted(invocation: &Invocation, why: Interruption, undo: Undo) -> BatchEnd {
    if let (Undo::WhenCancelled, Interruption::Cancelled { reason }) = (undo, &why) {
        invocation.record_cancellation(reason.clone());
        return BatchEnd::Unfinished(Unfinished::Running { unclean_ends: 0, rows_then: 0, wake_at: None });
    }
    if let Interruption::Completed { .. } = why {
        invocation.record_completion();
    }
    match why.into_end() {
        Ok(conclusion) => ended_with(invocation, conclusion),
        Err(until) => BatchEnd::Unfinished(Unfinished::Suspended { until: until.as_millis() }),
    }
}

fn parked(invocation: &Invocation, code: String, reason: String) -> BatchEnd {
    BatchEnd::Unfinished(Unfinished::Parked { code, reason, at: invocation.now().as_millis() })
}

fn ended(end: BatchEnd) -> End {
    match end {
        BatchEnd::Ended(ended) => End::Ended(ended),
        BatchEnd::Unfinished(Unfinished::Parked { code, reason, .. }) => End::Parked { code, reason },
        BatchEnd::Unfinished(Unfinished::Suspended { until }) => End::Suspended(Timestamp::from_millis(until)),
        BatchEnd::Unfinished(Unfinished::Running { .. } | Unfinished::Unclean { .. } | Unfinished::Suspect { .. }) => {
            End::Cancelled
        }
    }
}
