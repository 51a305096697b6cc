//! The server's secret: it makes texts that clients hold and only the server can have made.

use std::sync::Arc;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::error::{Error, ErrorKind};
use crate::store::{Batch, CommitError, Keyspace, Store};

/// In the keyspace `meta`.
const KEY: &[u8] = b"secret";

/// A secret that is kept in the store, so that what it made is good after a restart.
#[derive(Clone)]
pub(super) struct Secret(Arc<[u8]>);

impl Secret {
    /// The secret of a store; if there is none, it is this one.
    pub(super) async fn of(store: &dyn Store, new: [u8; 32]) -> Result<Self, Error> {
        if let Some(bytes) = store.get(Keyspace::Meta, KEY.to_vec()).await? {
            return Ok(Self(bytes.into()));
        }
        let bytes = new.to_vec();
        let mut batch = Batch::default();
        batch.guard(Keyspace::Meta, KEY, None);
        batch.put(Keyspace::Meta, KEY, bytes.clone());
        match store.commit(batch).await {
            Ok(()) => Ok(Self(bytes.into())),
            Err(CommitError::Store(error)) => Err(error.into()),
            Err(CommitError::GuardFailed(_)) => Err(Error::new(
                ErrorKind::Retry,
                "store_shared",
                "another server has made the store's secret at this moment; start this one again",
            )),
        }
    }

    /// A key for one purpose, of 32 bytes.
    pub(super) fn key(&self, purpose: &str) -> Vec<u8> {
        self.mac(purpose, &[]).finalize().into_bytes().to_vec()
    }

    /// The first 16 bytes of the HMAC-SHA256 (RFC 2104) of some parts, for one purpose.
    pub(super) fn tag(&self, purpose: &str, parts: &[&[u8]]) -> [u8; 16] {
        let tag = self.mac(purpose, parts).finalize().into_bytes();
        std::array::from_fn(|index| tag[index])
    }

    /// Whether this secret made the tag, compared in constant time.
    pub(super) fn made(&self, tag: &[u8], purpose: &str, parts: &[&[u8]]) -> bool {
        tag.len() == 16 && self.mac(purpose, parts).verify_truncated_left(tag).is_ok()
    }

    fn mac(&self, purpose: &str, parts: &[&[u8]]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes keys of any length");
        for part in [purpose.as_bytes()].iter().chain(parts) {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        mac
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chance::{Chance as _, SystemChance};
    use crate::store::{GroupCommit, MemoryBackend};

    #[tokio::test]
    async fn a_secret_is_that_of_its_store_and_its_tags_are_good_for_one_purpose() {
        let (rows, other) = (MemoryBackend::default(), MemoryBackend::default());
        let open = |rows: &MemoryBackend| GroupCommit::new(rows.clone()).expect("a thread");
        let first = Secret::of(&open(&rows), SystemChance.secret()).await.expect("a secret");
        let again = Secret::of(&open(&rows), SystemChance.secret()).await.expect("a secret");
        let foreign = Secret::of(&open(&other), SystemChance.secret()).await.expect("a secret");
        let tag = first.tag("task", &[b"a", b"bc"]);
        assert!(again.made(&tag, "task", &[b"a", b"bc"]));
        assert!(!again.made(&tag, "task", &[b"ab", b"c"]));
        assert!(!again.made(&tag, "question", &[b"a", b"bc"]));
        assert!(!foreign.made(&tag, "task", &[b"a", b"bc"]));
        assert!(!again.made(&tag[..15], "task", &[b"a", b"bc"]));
        assert!(!again.made(&[], "task", &[b"a", b"bc"]));
    }
}
