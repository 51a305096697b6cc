//! The streams of calls that have a name, kept in memory for clients whose connection breaks.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use uuid::Uuid;

use super::stream::Outlet;
use crate::clock::Timestamp;

/// How long an answered stream is kept for a client whose connection broke on the last events, in milliseconds.
const KEPT_AFTER_THE_END: u64 = 60_000;
/// How many streams are looked at for each one that begins: more than one, so that those which have ended do not pile up.
const LOOKED_AT: usize = 2;

/// Streams under their names.
#[derive(Default)]
pub(super) struct KeptStreams {
    by_name: HashMap<Uuid, Arc<Outlet>>,
    /// All names, the one that was looked at longest ago in front.
    names: VecDeque<Uuid>,
}

impl KeptStreams {
    pub(super) fn get(&self, name: Uuid) -> Option<&Arc<Outlet>> {
        self.by_name.get(&name)
    }

    /// Keeps a stream, in place of the one that had its name.
    pub(super) fn insert(&mut self, name: Uuid, outlet: Arc<Outlet>) {
        if self.by_name.insert(name, outlet).is_none() {
            self.names.push_back(name);
        }
    }

    /// Lets go of streams that ended long ago. It looks at a few only, for a session may have very many.
    pub(super) fn let_go(&mut self, now: Timestamp) {
        let long_ago = Timestamp::from_millis(now.as_millis().saturating_sub(KEPT_AFTER_THE_END));
        for _ in 0..LOOKED_AT {
            let Some(name) = self.names.pop_front() else { return };
            if self.by_name.get(&name).is_some_and(|outlet| outlet.has_ended_before(long_ago)) {
                self.by_name.remove(&name);
            } else {
                self.names.push_back(name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: u64) -> Timestamp {
        Timestamp::from_millis(second * 1000)
    }

    #[test]
    fn streams_that_ended_long_ago_do_not_pile_up_behind_those_that_go_on() {
        let mut kept = KeptStreams::default();
        let going_on = |number: u64| Uuid::from_u128((1_000_000 + number).into());
        let ended = |second: u64| Uuid::from_u128(second.into());
        (0..100).for_each(|number| kept.insert(going_on(number), Outlet::new()));
        for second in 1..1000 {
            kept.let_go(at(second));
            let outlet = Outlet::new();
            outlet.break_off(at(second));
            kept.insert(ended(second), outlet);
        }
        assert!((0..100).all(|number| kept.get(going_on(number)).is_some()), "one that goes on was let go");
        assert!((941..1000).all(|second| kept.get(ended(second)).is_some()), "one was let go early");
        assert!(kept.by_name.len() <= 100 + 2 * 60, "{} are kept", kept.by_name.len());
        assert_eq!(kept.by_name.len(), kept.names.len());
    }

    #[test]
    fn a_stream_is_kept_for_a_minute_after_its_end() {
        let mut kept = KeptStreams::default();
        let outlet = Outlet::new();
        outlet.break_off(at(1));
        kept.insert(Uuid::nil(), outlet);
        kept.let_go(at(61));
        assert!(kept.get(Uuid::nil()).is_some());
        kept.let_go(at(62));
        assert!(kept.get(Uuid::nil()).is_none());
    }
}
