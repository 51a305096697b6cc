//! A disk in memory that outlives the crashes of the servers on it, and the store that one server has on it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::Notify;

use super::point::{Boundaries, Moment};
use crate::store::{
    Batch, Commit, CommitCounts, CommitError, Keyspace, MemoryBackend, Read, Row, Scan, Store, StoreError, StoreFuture,
    SyncBackend,
};

/// What is durable in a run. Clones are the same disk.
#[derive(Clone, Debug)]
pub(crate) struct Disk {
    rows: MemoryBackend,
    boundaries: Arc<Boundaries>,
}

impl Disk {
    pub(crate) fn new(boundaries: Arc<Boundaries>) -> Self {
        Self { rows: MemoryBackend::default(), boundaries }
    }

    /// The store of one server's life.
    pub(crate) fn mount(&self) -> Mounted {
        Mounted { disk: self.clone(), life: Arc::default(), commits: Arc::default() }
    }

    pub(crate) fn rows(&self) -> &MemoryBackend {
        &self.rows
    }
}

/// Whether a server's process lives.
#[derive(Debug, Default)]
pub(crate) struct Life {
    is_over: AtomicBool,
    ended: Notify,
}

impl Life {
    /// Nothing that the server does counts from now on.
    pub(crate) fn end(&self) {
        self.is_over.store(true, Ordering::Relaxed);
        self.ended.notify_one();
    }

    pub(crate) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    /// Ends when the life does. For one who waits.
    pub(crate) async fn ended(&self) {
        self.ended.notified().await;
    }
}

/// A disk as one server sees it. It does all that it is told in the call itself, so that a run has no threads but its own, and
/// is the same each time.
#[derive(Clone, Debug)]
pub(crate) struct Mounted {
    disk: Disk,
    life: Arc<Life>,
    commits: Arc<AtomicU64>,
}

impl Mounted {
    pub(crate) fn life(&self) -> &Arc<Life> {
        &self.life
    }

    fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&MemoryBackend) -> Result<T, StoreError>,
    ) -> StoreFuture<'static, Result<T, StoreError>> {
        let answer = if self.life.is_over() { Err(crashed()) } else { read(&self.disk.rows) };
        Box::pin(async {
            tokio::task::yield_now().await;
            answer
        })
    }

    fn commit_now(&self, batch: &Batch) -> Result<(), CommitError> {
        if self.life.is_over() {
            return Err(CommitError::Store(crashed()));
        }
        let crash = self.disk.boundaries.pass(batch);
        if crash == Some(Moment::Before) {
            self.life.end();
            return Err(CommitError::Store(crashed()));
        }
        let answers = self.disk.rows.commit_group(&[batch]).map_err(CommitError::Store)?;
        self.commits.fetch_add(1, Ordering::Relaxed);
        if crash == Some(Moment::After) {
            self.life.end();
            return Err(CommitError::Store(crashed()));
        }
        answers.into_iter().try_for_each(|answer| answer.map_err(CommitError::GuardFailed))
    }
}

fn crashed() -> StoreError {
    StoreError::unavailable("the server has crashed, as the test wanted it")
}

impl Read for Mounted {
    fn get(&self, keyspace: Keyspace, key: Vec<u8>) -> StoreFuture<'_, Result<Option<Vec<u8>>, StoreError>> {
        self.read(|rows| rows.get(keyspace, &key))
    }

    fn get_many(
        &self,
        keyspace: Keyspace,
        keys: Vec<Vec<u8>>,
    ) -> StoreFuture<'_, Result<Vec<Option<Vec<u8>>>, StoreError>> {
        self.read(|rows| rows.get_many(keyspace, &keys))
    }

    fn scan(&self, scan: Scan) -> StoreFuture<'_, Result<Vec<Row>, StoreError>> {
        self.read(|rows| rows.scan(&scan))
    }

    fn count(&self, scan: Scan, except: BTreeSet<Vec<u8>>) -> StoreFuture<'_, Result<u64, StoreError>> {
        self.read(|rows| rows.count(&scan, &except))
    }
}

impl Commit for Mounted {
    fn commit(&self, batch: Batch) -> StoreFuture<'static, Result<(), CommitError>> {
        let answer = self.commit_now(&batch);
        Box::pin(async {
            tokio::task::yield_now().await;
            answer
        })
    }

    fn counts(&self) -> CommitCounts {
        let commits = self.commits.load(Ordering::Relaxed);
        CommitCounts { groups: commits, batches: commits }
    }
}

impl Store for Mounted {
    fn close(&self) -> StoreFuture<'_, ()> {
        Box::pin(async { self.life.end() })
    }
}
