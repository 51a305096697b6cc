//! Places: how many invocations go on at once by themselves, after a start or because their waits are over.
//!
//! An invocation is being taken up until it waits for something outside: an attempt, a time, an answer. Of those there are few, so
//! that a hundred thousand that are due at once neither fill the memory nor hold up new calls. What then has a body in memory and
//! waits, no longer keeps the next one from being taken up; of such bodies there are at most half of `Limits::running`, for new calls
//! need room too.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Invocation;
use super::driver::End;
use crate::clock::Clock;

/// How many are being taken up at once.
const TAKEN_UP_AT_ONCE: usize = 256;

/// How long the next one waits at most for one of those in memory to leave it: they may wait for what it does.
const TURN: Duration = Duration::from_secs(10);

/// The places of one engine.
pub(super) struct Places {
    taking_up: Arc<Semaphore>,
    in_memory: Arc<Semaphore>,
}

/// The place of one invocation.
pub(super) struct Place {
    taking_up: Option<OwnedSemaphorePermit>,
    /// `None` beyond the number, when its turn had come all the same.
    _in_memory: Option<OwnedSemaphorePermit>,
}

impl Places {
    /// Under a limit of so many invocations in memory.
    pub(super) fn new(running: usize) -> Self {
        let in_memory = running.div_ceil(2).clamp(1, Semaphore::MAX_PERMITS);
        Self { taking_up: Arc::new(Semaphore::new(TAKEN_UP_AT_ONCE)), in_memory: Arc::new(Semaphore::new(in_memory)) }
    }

    /// Waits for a place.
    pub(super) async fn take(&self, clock: &dyn Clock) -> Place {
        let taking_up = Arc::clone(&self.taking_up).acquire_owned().await.ok();
        let turn = async { clock.sleep_until(clock.now().after(TURN)).await };
        let in_memory = tokio::select! {
            biased;
            place = Arc::clone(&self.in_memory).acquire_owned() => place.ok(),
            () = turn => None,
        };
        Place { taking_up, _in_memory: in_memory }
    }

    /// A place, if there is one just now.
    pub(super) fn try_take(&self) -> Option<Place> {
        let taking_up = Arc::clone(&self.taking_up).try_acquire_owned().ok()?;
        let in_memory = Arc::clone(&self.in_memory).try_acquire_owned().ok()?;
        Some(Place { taking_up: Some(taking_up), _in_memory: Some(in_memory) })
    }
}

impl Place {
    /// Lets the next one be taken up.
    pub(super) fn give_way(&mut self) {
        self.taking_up = None;
    }

    /// Polls a run, and gives way as soon as it waits for nothing of the engine's.
    pub(super) async fn during(
        place: &mut Option<Self>,
        invocation: &Invocation,
        run: impl Future<Output = End>,
    ) -> End {
        let mut run = pin!(run);
        poll_fn(|task| {
            let polled = run.as_mut().poll(task);
            if let (Poll::Pending, Some(place)) = (&polled, &mut *place)
                && invocation.waits_for_others()
            {
                place.give_way();
            }
            polled
        })
        .await
    }
}
