//! A store that holds the acknowledgement of one commit.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use durable_runtime::store::{
    Batch, Commit, CommitCounts, CommitError, Keyspace, Read, Row, Scan, Store, StoreError, StoreFuture,
};

use crate::witness;

/// A store whose first commit of a call while the point `commit` is held waits there, as for a slow disk.
pub(crate) struct Held<S> {
    inner: S,
    has_held: Arc<AtomicBool>,
}

impl<S> Held<S> {
    pub(crate) fn new(inner: S) -> Self {
        Self { inner, has_held: Arc::default() }
    }
}

impl<S: Store> Commit for Held<S> {
    fn commit(&self, batch: Batch) -> StoreFuture<'static, Result<(), CommitError>> {
        let is_of_a_call = batch.writes.iter().any(|write| write.keyspace == Keyspace::Journal);
        let committing = self.inner.commit(batch);
        let has_held = Arc::clone(&self.has_held);
        Box::pin(async move {
            let answer = committing.await;
            if is_of_a_call && !has_held.swap(true, Ordering::SeqCst) {
                // It goes on when it cannot look.
                let _held = witness::held("commit").await;
            }
            answer
        })
    }

    fn counts(&self) -> CommitCounts {
        self.inner.counts()
    }
}

impl<S: Store> Read for Held<S> {
    fn get(&self, keyspace: Keyspace, key: Vec<u8>) -> StoreFuture<'_, Result<Option<Vec<u8>>, StoreError>> {
        self.inner.get(keyspace, key)
    }

    fn get_many(
        &self,
        keyspace: Keyspace,
        keys: Vec<Vec<u8>>,
    ) -> StoreFuture<'_, Result<Vec<Option<Vec<u8>>>, StoreError>> {
        self.inner.get_many(keyspace, keys)
    }

    fn scan(&self, scan: Scan) -> StoreFuture<'_, Result<Vec<Row>, StoreError>> {
        self.inner.scan(scan)
    }

    fn count(&self, scan: Scan, except: BTreeSet<Vec<u8>>) -> StoreFuture<'_, Result<u64, StoreError>> {
        self.inner.count(scan, except)
    }
}

impl<S: Store> Store for Held<S> {
    fn close(&self) -> StoreFuture<'_, ()> {
        self.inner.close()
    }
}
