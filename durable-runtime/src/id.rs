//! Ids that are not to be taken for each other.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::uuid7::Generator;

static IDS: Generator = Generator::new();

/// A new version 7 UUID whose time part is `now`.
pub(crate) fn new_uuid7(now: Timestamp) -> Uuid {
    IDS.next(now)
}

/// The id of an invocation: a `UUIDv7` (RFC 9562, section 5.7), so that ids sort by the time of admission.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct InvocationId(Uuid);

impl InvocationId {
    /// Makes a new id whose time part is `now`; of two that are made at one time the later is larger.
    pub(crate) fn new(now: Timestamp) -> Self {
        Self(new_uuid7(now))
    }

    pub(crate) fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }

    /// The 16 bytes of the id; they sort as the ids do.
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// When the call was admitted, by the id.
    pub(crate) fn admitted_at(&self) -> Timestamp {
        let millis = self.as_bytes()[..6].iter().fold(0, |millis, byte| millis << 8 | u64::from(*byte));
        Timestamp::from_millis(millis)
    }

    /// The id as a UUID.
    pub fn as_uuid(&self) -> Uuid {
        self.0
    }
}

impl fmt::Display for InvocationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for InvocationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for InvocationId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}
