//! When invocations that are not in memory are to be run again.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::Engine;
use crate::clock::Timestamp;
use crate::id::InvocationId;

/// Ends of waits, the earliest first.
#[derive(Default)]
pub(super) struct Timers {
    waits: Mutex<BinaryHeap<Reverse<(Timestamp, InvocationId)>>>,
    changed: Notify,
}

impl Timers {
    /// Lets an invocation be run at this time, if it is not in memory then.
    pub(super) fn set(&self, until: Timestamp, id: InvocationId) {
        self.waits.lock().push(Reverse((until, id)));
        self.changed.notify_one();
    }

    fn earliest(&self) -> Option<Timestamp> {
        self.waits.lock().peek().map(|Reverse((until, _))| *until)
    }

    /// Takes the invocations whose time has come.
    fn take_due(&self, now: Timestamp) -> Vec<InvocationId> {
        let mut waits = self.waits.lock();
        let mut due = Vec::new();
        while waits.peek().is_some_and(|Reverse((until, _))| *until <= now) {
            due.extend(waits.pop().map(|Reverse((_, id))| id));
        }
        due
    }
}

impl Engine {
    /// Runs invocations when their waits end, until the server stops.
    pub(super) fn watch_timers(self: &Arc<Self>) {
        let engine = Arc::clone(self);
        self.tasks.spawn(async move {
            loop {
                let clock = &engine.surroundings.clock;
                for id in engine.timers.take_due(clock.now()) {
                    if engine.directory.enter(id).is_some() {
                        engine.execute(id, None);
                    }
                }
                let next = async {
                    match engine.timers.earliest() {
                        Some(until) => clock.sleep_until(until).await,
                        None => std::future::pending().await,
                    }
                };
                tokio::select! {
                    biased;
                    () = next => {}
                    () = engine.timers.changed.notified() => {}
                    () = engine.stopping.cancelled() => return,
                }
            }
        });
    }
}
