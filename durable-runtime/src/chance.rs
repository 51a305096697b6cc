//! Where ids and chance come from.

use uuid::Uuid;

use crate::clock::Timestamp;
use crate::id::{InvocationId, new_uuid7};
use crate::uuid7::Generator;

/// The source of all that an engine does not compute: the system, or a seed that a test holds.
pub(crate) trait Chance: Send + Sync + 'static {
    /// A new version 7 UUID whose time part is `now`; each is larger than those before it.
    fn uuid7(&self, now: Timestamp) -> Uuid;

    /// The id of a call that comes now, under this idempotency key if it has one.
    fn invocation(&self, now: Timestamp, key_row: Option<&[u8]>) -> InvocationId;

    /// What all randomness of an invocation is derived from.
    fn seed_of(&self, invocation: InvocationId) -> u64;

    /// The secret of a new store.
    fn secret(&self) -> [u8; 32];

    /// Makes ids of one sort.
    fn generator(&self) -> Generator;
}

/// The system's.
pub(crate) struct SystemChance;

impl Chance for SystemChance {
    fn uuid7(&self, now: Timestamp) -> Uuid {
        new_uuid7(now)
    }

    fn invocation(&self, now: Timestamp, _key_row: Option<&[u8]>) -> InvocationId {
        InvocationId::new(now)
    }

    fn seed_of(&self, _invocation: InvocationId) -> u64 {
        Uuid::new_v4().as_u64_pair().0
    }

    /// It has twice 122 random bits of the system's generator.
    fn secret(&self) -> [u8; 32] {
        let halves = [Uuid::new_v4(), Uuid::new_v4()];
        std::array::from_fn(|index| halves[index / 16].as_bytes()[index % 16])
    }

    fn generator(&self) -> Generator {
        Generator::new()
    }
}
