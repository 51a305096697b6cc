//! Interruption: an invocation ends before its body does, because its time is over or because it is cancelled.
//!
//! The body is held where it stands: its waits do not end any more and no attempt starts. Attempts that run are finished and
//! recorded, within a grace period. Then the invocation ends with the interruption, durably, and the body is dropped. A
//! result that is durable before wins: both put an end to the invocation's row, and the guard lets only one of them.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::sync::watch;

use super::admission::decoded;
use super::answer::{Answer, AnswerSource, Submitted};
use super::{Engine, Invocation};
use crate::clock::Timestamp;
use crate::error::Error;
use crate::id::InvocationId;
use crate::journal::record::{Conclusion, Ended};
use crate::store::Keyspace;

/// Why an invocation ends before its body does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Interruption {
    /// It has not ended within its timeout.
    TimedOut {
        /// The timeout.
        limit: Duration,
    },
    /// Somebody does not want it any more.
    Cancelled {
        /// Who, or why.
        reason: String,
    },
    /// Its client has gone, and may come back. It does not end, but goes no further.
    Suspended {
        /// When it is cancelled, if the client has not come back.
        until: Timestamp,
    },
    /// A person ends it.
    Completed {
        /// With what.
        conclusion: Conclusion,
    },
}

impl Interruption {
    /// How the invocation ends with it, or until when it is suspended.
    pub(super) fn into_end(self) -> Result<Conclusion, Timestamp> {
        match self {
            Self::TimedOut { limit } => {
                Ok(Conclusion::TimedOut { limit_ms: u64::try_from(limit.as_millis()).unwrap_or(u64::MAX) })
            }
            Self::Cancelled { reason } => Ok(Conclusion::Cancelled { reason }),
            Self::Completed { conclusion } => Ok(conclusion),
            Self::Suspended { until } => Err(until),
        }
    }

    /// Whether it counts although another one came first.
    pub(super) fn outdoes(&self, first: &Self) -> bool {
        matches!(first, Self::Suspended { .. }) && !matches!(self, Self::Suspended { .. })
    }
}

/// Tells the runs of one invocation, one after the other, that it is interrupted.
pub(super) struct InterruptionSignal(watch::Receiver<Option<Interruption>>);

impl InterruptionSignal {
    pub(super) fn new(receiver: watch::Receiver<Option<Interruption>>) -> Self {
        Self(receiver)
    }

    /// The interruption, if there is one.
    pub(super) fn get(&self) -> Option<Interruption> {
        self.0.borrow().clone()
    }

    /// Whether something was told since this was made. It is never taken note of, so that it stays so.
    fn may_have_come(&self) -> bool {
        self.0.has_changed().unwrap_or(true)
    }

    /// Ends when there is one.
    pub(super) async fn arrived(&self) -> Interruption {
        let mut receiver = self.0.clone();
        if let Ok(interruption) = receiver.wait_for(Option::is_some).await
            && let Some(interruption) = &*interruption
        {
            return interruption.clone();
        }
        // The invocation has left memory, and nobody interrupts it here.
        std::future::pending().await
    }
}

type Timer = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Watches over one run of a body.
pub(super) struct Interrupter<'a> {
    invocation: Arc<Invocation>,
    signal: &'a InterruptionSignal,
    arrival: Pin<Box<dyn Future<Output = Interruption> + Send + 'a>>,
    /// What the arrival wakes.
    waker: Option<Waker>,
    /// The end of the deadline, or of the grace period.
    timer: Option<Timer>,
    interruption: Option<Interruption>,
    grace_is_over: bool,
}

impl<'a> Interrupter<'a> {
    /// Over one that nothing interrupts, if `is_shielded`.
    pub(super) fn new(invocation: &Arc<Invocation>, signal: &'a InterruptionSignal, is_shielded: bool) -> Self {
        Self {
            invocation: Arc::clone(invocation),
            signal,
            waker: None,
            arrival: if is_shielded { Box::pin(std::future::pending()) } else { Box::pin(signal.arrived()) },
            timer: None,
            interruption: None,
            grace_is_over: false,
        }
    }

    /// Notices that the run is interrupted. Gives the interruption when the invocation is to end with it now: no attempt
    /// runs, or those that do have had their time.
    pub(super) fn poll(&mut self, task: &mut Context<'_>) -> Option<Interruption> {
        if self.interruption.is_none() {
            if let Poll::Ready(interruption) = self.poll_arrival(task) {
                self.interrupt(interruption);
            } else if let Some(deadline) = self.invocation.deadline()
                && deadline.at <= self.invocation.now()
            {
                self.interrupt(Interruption::TimedOut { limit: deadline.limit });
            }
        }
        self.due()
    }

    /// A run is polled often, and this rarely ends: it is looked into when it may have ended, or does not wake the run yet.
    fn poll_arrival(&mut self, task: &mut Context<'_>) -> Poll<Interruption> {
        let is_awaited = self.waker.as_ref().is_some_and(|waker| waker.will_wake(task.waker()));
        if is_awaited && !self.signal.may_have_come() {
            return Poll::Pending;
        }
        self.waker = Some(task.waker().clone());
        self.arrival.as_mut().poll(task)
    }

    /// The interruption that the run was under already, when the invocation is to end with it now.
    pub(super) fn due(&self) -> Option<Interruption> {
        let is_due = self.grace_is_over || !self.invocation.has_attempt();
        self.interruption.clone().filter(|_| is_due)
    }

    /// Sees to it that the run is polled again when the deadline or the grace period ends. Returns whether that is now.
    pub(super) fn poll_timer(&mut self, task: &mut Context<'_>) -> bool {
        let clock = &self.invocation.surroundings.clock;
        let timer = match (&mut self.timer, &self.interruption) {
            (Some(timer), _) => timer,
            (None, Some(_)) if self.grace_is_over => return false,
            (none, Some(_)) => {
                none.insert(clock.sleep_until(clock.now().after(self.invocation.surroundings.limits.grace)))
            }
            (none, None) => match self.invocation.deadline() {
                Some(deadline) => none.insert(clock.sleep_until(deadline.at)),
                None => return false,
            },
        };
        if timer.as_mut().poll(task).is_pending() {
            return false;
        }
        self.timer = None;
        match (&self.interruption, self.invocation.deadline()) {
            (Some(_), _) => {
                tracing::warn!(invocation = %self.invocation.id, "an attempt outlasts the grace period of an interruption, and is dropped");
                self.grace_is_over = true;
            }
            (None, Some(deadline)) => self.interrupt(Interruption::TimedOut { limit: deadline.limit }),
            (None, None) => {}
        }
        true
    }

    fn interrupt(&mut self, interruption: Interruption) {
        self.invocation.interrupt();
        self.timer = None;
        self.interruption = Some(interruption);
    }
}

impl Engine {
    /// Interrupts an invocation, in memory or not. It then ends with this interruption, or with what was durable before; the
    /// answer says which. `None` when there is no such invocation.
    pub(crate) async fn interrupt(
        self: &Arc<Self>,
        id: InvocationId,
        interruption: Interruption,
    ) -> Result<Option<Submitted>, Error> {
        let coming = |coming| Ok(Some(Submitted { id, source: AnswerSource::Coming(coming) }));
        loop {
            if let Some(answer) = self.directory.interrupt(id, &interruption) {
                return coming(answer);
            }
            let store = &self.surroundings.store;
            if store.get(Keyspace::Unfinished, id.as_bytes().to_vec()).await?.is_none() {
                let ended = store.get(Keyspace::Result, id.as_bytes().to_vec()).await?;
                let ended = ended.map(|ended| decoded::<Ended>(&ended)).transpose()?;
                return Ok(ended.map(|ended| {
                    let source = AnswerSource::Known(Answer::Ended(Arc::new(ended)));
                    Submitted { id, source }
                }));
            }
            if self.directory.enter(id).is_some() {
                let answer = self.directory.interrupt(id, &interruption);
                self.execute(id, None);
                if let Some(answer) = answer {
                    return coming(answer);
                }
            }
            // Its timer has just taken it up.
        }
    }

    /// Suspends an invocation whose client has gone, unless another one waits for it.
    pub(crate) async fn suspend(self: &Arc<Self>, id: InvocationId) -> Result<(), Error> {
        if self.directory.is_watched(id) {
            return Ok(());
        }
        let until = self.surroundings.clock.now().after(self.surroundings.limits.suspension);
        self.interrupt(id, Interruption::Suspended { until }).await.map(drop)
    }
}

#[cfg(test)]
mod tests;
