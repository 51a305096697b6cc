//! Version 7 UUIDs (RFC 9562, section 5.7): keys that sort by the time at which they were made.
//!
//! As text they sort as their bytes do, so they serve as keys of a [`SortedMap`](crate::SortedMap), and
//! [`smallest`] and [`largest`] are the bounds of a range of time.
//!
//! ```
//! use durable_runtime::{Timestamp, uuid7};
//!
//! let (noon, later) = (Timestamp::from_millis(43_200_000), Timestamp::from_millis(43_200_001));
//! let keys = uuid7::Generator::new();
//! let (first, second) = (keys.next(noon), keys.next(noon));
//! assert!(uuid7::smallest(noon) < first && first < second && second < uuid7::smallest(later));
//! assert_eq!(uuid7::time_of(&second), Some(noon));
//! ```

use std::time::Duration;

use parking_lot::Mutex;
use uuid::timestamp::context::ContextV7;
use uuid::{Builder, Uuid};

use crate::clock::Timestamp;

/// The last millisecond that has a UUID: the time part has 48 bits.
const LAST_MILLIS: u64 = (1 << 48) - 1;

/// Makes UUIDs of which each is larger than all before it, also within one millisecond and when the clock goes backwards.
#[derive(Debug)]
pub struct Generator(Mutex<Source>);

#[derive(Debug)]
enum Source {
    System(ContextV7),
    #[cfg(feature = "testing")]
    Seeded(crate::testing::SeededIds),
}

impl Default for Generator {
    fn default() -> Self {
        Self::new()
    }
}

impl Generator {
    /// A generator that has made none yet.
    pub const fn new() -> Self {
        Self(Mutex::new(Source::System(ContextV7::new())))
    }

    /// A generator whose UUIDs are a function of the seed and of the times that it is given.
    #[cfg(feature = "testing")]
    pub(crate) fn seeded(ids: crate::testing::SeededIds) -> Self {
        Self(Mutex::new(Source::Seeded(ids)))
    }

    /// The next UUID. Its time is `now`, or that of the one before it, if that is later.
    pub fn next(&self, now: Timestamp) -> Uuid {
        let millis = now.as_millis().min(LAST_MILLIS);
        let since_epoch = Duration::from_millis(millis);
        let (seconds, nanos) = (since_epoch.as_secs(), since_epoch.subsec_nanos());
        match &mut *self.0.lock() {
            Source::System(context) => Uuid::new_v7(uuid::Timestamp::from_unix(&*context, seconds, nanos)),
            #[cfg(feature = "testing")]
            Source::Seeded(ids) => ids.next(millis),
        }
    }
}

/// The time part of a version 7 UUID; `None` if it is of another version.
pub fn time_of(id: &Uuid) -> Option<Timestamp> {
    let (high, low, _, _) = id.as_fields();
    (id.get_version_num() == 7).then(|| Timestamp::from_millis((u64::from(high) << 16) | u64::from(low)))
}

/// The smallest UUID of a millisecond.
pub fn smallest(at: Timestamp) -> Uuid {
    Builder::from_unix_timestamp_millis(at.as_millis().min(LAST_MILLIS), &[0; 10]).into_uuid()
}

/// The largest UUID of a millisecond.
pub fn largest(at: Timestamp) -> Uuid {
    Builder::from_unix_timestamp_millis(at.as_millis().min(LAST_MILLIS), &[0xff; 10]).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_is_larger_than_those_before_it_even_if_the_clock_goes_backwards() {
        let keys = Generator::new();
        let mut before = String::new();
        for at in [5000, 5000, 5000, 4000, 4999, 5000, 5001, 0].into_iter().map(Timestamp::from_millis) {
            let key = keys.next(at);
            assert!(key.to_string() > before);
            assert!(time_of(&key) >= Some(at));
            before = key.to_string();
        }
    }

    #[test]
    fn all_keys_of_a_millisecond_lie_between_its_bounds() {
        let keys = Generator::new();
        for millis in [0, 999, 1_700_000_000_123, LAST_MILLIS] {
            let at = Timestamp::from_millis(millis);
            let key = Generator::new().next(at);
            assert!(smallest(at) <= key && key <= largest(at), "{key}");
            assert_eq!(time_of(&keys.next(at)), Some(at));
        }
        assert!(largest(Timestamp::from_millis(6)).to_string() < smallest(Timestamp::from_millis(7)).to_string());
        assert_eq!(time_of(&Uuid::new_v4()), None);
    }
}
