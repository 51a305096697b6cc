//! When invocations that are not in memory are to be run again, and taking them up.

use std::collections::BTreeSet;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::Engine;
use super::execution::Resumed;
use super::look::READ_AT_ONCE;
use super::place::Place;
use crate::clock::Timestamp;
use crate::id::InvocationId;

/// Ends of waits, the earliest first. One that is set whenever its invocation leaves memory is there once.
#[derive(Default)]
pub(super) struct Timers {
    waits: Mutex<BTreeSet<(Timestamp, InvocationId)>>,
    changed: Notify,
}

impl Timers {
    /// Lets an invocation be run at this time, if it is not in memory then.
    pub(super) fn set(&self, until: Timestamp, id: InvocationId) {
        self.set_all([(until, id)]);
    }

    /// The same for several.
    pub(super) fn set_all(&self, waits: impl IntoIterator<Item = (Timestamp, InvocationId)>) {
        self.waits.lock().extend(waits);
        self.changed.notify_one();
    }

    pub(super) fn earliest(&self) -> Option<Timestamp> {
        self.waits.lock().first().map(|(until, _)| *until)
    }

    /// Takes the invocation that has been due longest.
    fn take_due(&self, now: Timestamp) -> Option<InvocationId> {
        let mut waits = self.waits.lock();
        waits.first().filter(|(until, _)| *until <= now)?;
        waits.pop_first().map(|(_, id)| id)
    }
}

impl Engine {
    /// Runs invocations when their waits end, until the server stops.
    pub(super) fn watch_timers(self: &Arc<Self>) {
        let engine = Arc::clone(self);
        self.tasks.spawn(async move {
            loop {
                let clock = &engine.surroundings.clock;
                let next = async {
                    match engine.timers.earliest() {
                        Some(until) if until <= clock.now() => {}
                        Some(until) => clock.sleep_until(until).await,
                        None => std::future::pending().await,
                    }
                };
                tokio::select! {
                    biased;
                    () = engine.stopping.said() => return,
                    () = next => {}
                    () = engine.timers.changed.notified() => continue,
                }
                let place = tokio::select! {
                    biased;
                    () = engine.stopping.said() => return,
                    place = engine.places.take(&**clock) => place,
                };
                // Not cut off: what is in the directory is run.
                engine.take_up_due(place).await;
            }
        });
    }

    /// Takes up what is due, the longest due first, as far as there are places, and not too many at once.
    async fn take_up_due(self: &Arc<Self>, place: Place) {
        let now = self.surroundings.clock.now();
        let (mut ids, mut places) = (Vec::new(), Vec::new());
        let mut free = Some(place);
        while let Some(place) = free.take() {
            let Some(id) = self.timers.take_due(now) else { break };
            if !self.directory.claim(id) {
                // Somebody has taken it up before its time.
                free = Some(place);
                continue;
            }
            ids.push(id);
            places.push(place);
            if ids.len() < READ_AT_ONCE {
                free = self.places.try_take();
            }
        }
        let read = self.read_many(&ids).await;
        for ((id, place), read) in ids.into_iter().zip(places).zip(read) {
            self.resume(id, Resumed { place, read });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leaves_memory_again_and_again_before_its_time_is_due_once() {
        let timers = Timers::default();
        let [soon, late] = [1, 2].map(Timestamp::from_millis);
        let [often, once] = [soon, late].map(InvocationId::new);
        (0..1000).for_each(|_| timers.set(late, often));
        timers.set(soon, once);
        assert_eq!(timers.take_due(soon), Some(once));
        assert_eq!((timers.take_due(soon), timers.earliest()), (None, Some(late)));
        assert_eq!((timers.take_due(late), timers.take_due(late)), (Some(often), None));
    }
}
