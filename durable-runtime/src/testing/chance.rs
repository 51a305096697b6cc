//! Ids and chance that are a function of a seed.

use std::collections::BTreeSet;

use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use uuid::{Builder, Uuid};

use crate::chance::Chance;
use crate::clock::Timestamp;
use crate::id::InvocationId;
use crate::uuid7::Generator;

/// The random part of a version 7 UUID, with room for the version and the variant.
type Tail = [u8; 10];

/// Makes version 7 UUIDs that are a function of a seed and of the times that are given. It outlives a simulated crash, so
/// that an id is never made twice.
#[derive(Debug)]
pub(crate) struct SeededIds {
    seed: u64,
    millis: u64,
    made: u32,
}

impl SeededIds {
    /// How many there are in a millisecond: 18 bits count them.
    const IN_A_MILLISECOND: u32 = 1 << 18;

    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, millis: 0, made: 0 }
    }

    pub(crate) fn next(&mut self, millis: u64) -> Uuid {
        if millis > self.millis {
            (self.millis, self.made) = (millis, 0);
        }
        if self.made == Self::IN_A_MILLISECOND {
            (self.millis, self.made) = (self.millis + 1, 0);
        }
        let mut tail: Tail = digest(self.seed, &[&self.millis.to_be_bytes(), &self.made.to_be_bytes()]);
        // The twelve bits behind the version and the six behind the variant count, so that each id is larger than the last.
        let [_, high, middle, low] = (self.made << 2).to_be_bytes();
        [tail[0], tail[1], tail[2]] = [high, middle, low >> 2];
        self.made += 1;
        uuid7(self.millis, tail)
    }
}

/// Chance that is a function of a seed.
#[derive(Debug)]
pub(crate) struct SeededChance {
    seed: u64,
    ids: Generator,
    made: Mutex<BTreeSet<Uuid>>,
}

impl SeededChance {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, ids: Generator::seeded(SeededIds::new(seed)), made: Mutex::default() }
    }

    /// The ids that bodies of tools were given.
    pub(crate) fn made(&self) -> BTreeSet<Uuid> {
        self.made.lock().clone()
    }
}

impl Chance for SeededChance {
    fn uuid7(&self, now: Timestamp) -> Uuid {
        let id = self.ids.next(now);
        self.made.lock().insert(id);
        id
    }

    /// A call under a key has the same id in every run of a test: what is derived from the id, such as the keys for outside
    /// systems, can then be compared between runs, whatever was lost in a crash before.
    fn invocation(&self, now: Timestamp, key_row: Option<&[u8]>) -> InvocationId {
        let id = match key_row {
            Some(key_row) => uuid7(now.as_millis(), digest(self.seed, &[b"invocation", key_row])),
            None => self.ids.next(now),
        };
        InvocationId::from_bytes(id.into_bytes())
    }

    fn seed_of(&self, invocation: InvocationId) -> u64 {
        u64::from_be_bytes(digest(self.seed, &[b"seed", invocation.as_bytes()]))
    }

    fn secret(&self) -> [u8; 32] {
        digest(self.seed, &[b"secret"])
    }

    fn generator(&self) -> Generator {
        Generator::seeded(SeededIds::new(self.seed))
    }
}

fn uuid7(millis: u64, tail: Tail) -> Uuid {
    Builder::from_unix_timestamp_millis(millis, &tail).into_uuid()
}

/// The first bytes of the SHA-256 of the seed and some parts.
fn digest<const BYTES: usize>(seed: u64, parts: &[&[u8]]) -> [u8; BYTES] {
    let mut digest = Sha256::new();
    digest.update(seed.to_be_bytes());
    for part in parts {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    let digest = digest.finalize();
    std::array::from_fn(|index| digest[index])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::uuid7::time_of;

    #[test]
    fn seeded_ids_are_the_same_again_and_each_is_larger_than_the_last() {
        let times = [5000, 5000, 4000, 5000, 5001, 5001, 0].map(Timestamp::from_millis);
        let made = |seed| {
            let ids = Generator::seeded(SeededIds::new(seed));
            times.map(|at| ids.next(at))
        };
        let ids = made(7);
        assert!(ids.is_sorted_by(|one, other| one < other), "{ids:?}");
        assert_eq!(time_of(&ids[3]), Some(Timestamp::from_millis(5000)));
        assert_eq!(made(7), ids);
        assert_ne!(made(8), ids);
    }

    #[test]
    fn a_call_under_a_key_has_the_same_id_whatever_came_before() {
        let (chance, now) = (SeededChance::new(7), Timestamp::from_millis(5000));
        let id = chance.invocation(now, Some(b"key"));
        assert_ne!(chance.invocation(now, None), chance.invocation(now, None));
        assert_ne!(chance.invocation(now, Some(b"other")), id);
        assert_eq!(chance.invocation(now, Some(b"key")), id);
    }
}
