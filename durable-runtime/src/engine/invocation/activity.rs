//! What of a body is under way: attempts, reads, waits.

use std::collections::BTreeSet;

use super::Invocation;
use crate::clock::Timestamp;

/// Counts of what is under way.
#[derive(Default)]
pub(super) struct Activity {
    attempts: u32,
    reads: u32,
    commits_awaited: u32,
    /// Ends of waits, told apart by a number.
    waits: BTreeSet<(Timestamp, u64)>,
    next_wait: u64,
}

impl Activity {
    pub(super) fn has_attempt(&self) -> bool {
        self.attempts > 0
    }

    pub(super) fn has_read(&self) -> bool {
        self.reads > 0
    }

    /// When the first wait ends, if all that the body does is wait.
    pub(super) fn rests_until(&self) -> Option<Timestamp> {
        let is_busy = self.attempts > 0 || self.reads > 0 || self.commits_awaited > 0;
        self.waits.first().filter(|_| !is_busy).map(|(until, _)| *until)
    }
}

/// One thing that is under way, for as long as it is not dropped.
pub(crate) struct Busy<'a> {
    invocation: &'a Invocation,
    doing: Doing,
}

enum Doing {
    Attempt,
    Read,
    CommitAwaited,
    Wait(Timestamp, u64),
}

impl Invocation {
    /// An attempt of a step begins.
    pub(crate) fn begin_attempt(&self) -> Busy<'_> {
        self.state.lock().activity.attempts += 1;
        self.busy(Doing::Attempt)
    }

    /// A read of the body begins: until it ends, what has gathered is not committed, for what the body does with the rows is
    /// about to join it. That is why reads cost no commit.
    pub(crate) fn begin_read(&self) -> Busy<'_> {
        self.state.lock().activity.reads += 1;
        self.busy(Doing::Read)
    }

    /// A wait for a commit begins.
    pub(super) fn begin_awaiting_commit(&self) -> Busy<'_> {
        self.state.lock().activity.commits_awaited += 1;
        self.busy(Doing::CommitAwaited)
    }

    /// A wait for a point in time begins.
    pub(super) fn begin_wait(&self, until: Timestamp) -> Busy<'_> {
        let mut state = self.state.lock();
        let activity = &mut state.activity;
        activity.next_wait += 1;
        activity.waits.insert((until, activity.next_wait));
        self.busy(Doing::Wait(until, activity.next_wait))
    }

    /// Whether the body, if it waits, waits for something that is not the engine's: no commit and no read is under way.
    pub(in crate::engine) fn waits_for_others(&self) -> bool {
        let state = self.state.lock();
        state.durable == state.gathering && state.has_gathered_nothing() && !state.activity.has_read()
    }

    /// Waits for a point in time. If that is all that the body does, and the wait is long, the body is dropped meanwhile.
    pub(crate) async fn wait_until(&self, until: Timestamp) {
        if until > self.now() {
            let _waiting = self.begin_wait(until);
            self.surroundings.clock.sleep_until(until).await;
        }
        if self.is_interrupted() {
            self.suspend().await;
        }
    }

    fn busy(&self, doing: Doing) -> Busy<'_> {
        Busy { invocation: self, doing }
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        let activity = &mut self.invocation.state.lock().activity;
        match self.doing {
            Doing::Attempt => activity.attempts -= 1,
            Doing::Read => activity.reads -= 1,
            Doing::CommitAwaited => activity.commits_awaited -= 1,
            Doing::Wait(until, number) => {
                activity.waits.remove(&(until, number));
            }
        }
    }
}
