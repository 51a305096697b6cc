//! Group commit: one writer thread commits together all batches that are waiting.
//!
//! Nobody waits for a timer. While one group is being synced, the next one gathers.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

use super::{Batch, Commit, CommitError, Keyspace, Read, Row, Scan, Store, StoreError, StoreFuture};

/// A backend whose calls block: an embedded database, or memory. [`GroupCommit`] makes a [`Store`] of it.
pub trait SyncBackend: Send + Sync + 'static {
    /// The value of a row.
    fn get(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// The values of several rows, all of one moment.
    fn get_many(&self, keyspace: Keyspace, keys: &[Vec<u8>]) -> Result<Vec<Option<Vec<u8>>>, StoreError>;

    /// The first rows of a scan, all of one moment.
    fn scan(&self, scan: &Scan) -> Result<Vec<Row>, StoreError>;

    /// The first rows of several scans, each of one moment.
    fn scan_many(&self, scans: &[Scan]) -> Result<Vec<Vec<Row>>, StoreError> {
        scans.iter().map(|scan| self.scan(scan)).collect()
    }

    /// How many rows there are within a scan's bounds, at one moment, without those of `except`. It holds no more of them in
    /// memory than one at a time.
    fn count(&self, scan: &Scan, except: &BTreeSet<Vec<u8>>) -> Result<u64, StoreError>;

    /// Commits the batches in one transaction, with one sync. The guards of a batch see the batches before it; a batch
    /// with a guard that fails is left out, and its answer is the guard's index. A batch's [`Transaction`](super::Transaction)
    /// runs after its writes, and sees them.
    fn commit_group(&self, group: &[&Batch]) -> Result<Vec<Result<(), usize>>, StoreError>;

    /// Writes all that there is at one moment into a new file, beside the load.
    fn backup(&self, to: &Path) -> Result<(), StoreError> {
        Err(StoreError::no_backups(to))
    }

    /// Lets go of what the backend holds.
    fn close(&self);
}

/// How many commits a store has made since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CommitCounts {
    /// Transactions that were made durable, with one sync each.
    pub groups: u64,
    /// Batches that were in them.
    pub batches: u64,
}

type Answer = Result<(), CommitError>;

struct Waiting {
    batch: Batch,
    answer: oneshot::Sender<Answer>,
}

#[derive(Default)]
struct Queue {
    waiting: Vec<Waiting>,
    closed: bool,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    arrived: Condvar,
    groups: AtomicU64,
    batches: AtomicU64,
}

/// A [`Store`] over a backend whose calls block.
pub struct GroupCommit<B> {
    backend: Arc<B>,
    shared: Arc<Shared>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl<B: SyncBackend> GroupCommit<B> {
    /// Starts the writer thread of a backend.
    ///
    /// # Errors
    ///
    /// When the system gives no thread.
    pub fn new(backend: B) -> Result<Self, StoreError> {
        let backend = Arc::new(backend);
        let shared = Arc::new(Shared::default());
        let writer = std::thread::Builder::new()
            .name("durable-writer".into())
            .spawn({
                let (backend, shared) = (Arc::clone(&backend), Arc::clone(&shared));
                move || write_groups(&*backend, &shared)
            })
            .map_err(|error| {
                StoreError::unavailable(format!("the system gave no thread for the store's writer: {error}"))
            })?;
        Ok(Self { backend, shared, writer: Mutex::new(Some(writer)) })
    }

    fn close_queue(&self) {
        self.shared.queue.lock().closed = true;
        self.shared.arrived.notify_one();
    }

    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&B) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        if self.shared.queue.lock().closed {
            return Err(closed());
        }
        let backend = Arc::clone(&self.backend);
        tokio::task::spawn_blocking(move || read(&backend))
            .await
            .unwrap_or_else(|error| Err(StoreError::unavailable(format!("a read of the store ended early: {error}"))))
    }
}

impl<B: SyncBackend> Read for GroupCommit<B> {
    fn get(&self, keyspace: Keyspace, key: Vec<u8>) -> StoreFuture<'_, Result<Option<Vec<u8>>, StoreError>> {
        Box::pin(self.read(move |backend| backend.get(keyspace, &key)))
    }

    fn get_many(
        &self,
        keyspace: Keyspace,
        keys: Vec<Vec<u8>>,
    ) -> StoreFuture<'_, Result<Vec<Option<Vec<u8>>>, StoreError>> {
        Box::pin(self.read(move |backend| backend.get_many(keyspace, &keys)))
    }

    fn scan(&self, scan: Scan) -> StoreFuture<'_, Result<Vec<Row>, StoreError>> {
        Box::pin(self.read(move |backend| backend.scan(&scan)))
    }

    fn scan_many(&self, scans: Vec<Scan>) -> StoreFuture<'_, Result<Vec<Vec<Row>>, StoreError>> {
        Box::pin(self.read(move |backend| backend.scan_many(&scans)))
    }

    fn count(&self, scan: Scan, except: BTreeSet<Vec<u8>>) -> StoreFuture<'_, Result<u64, StoreError>> {
        Box::pin(self.read(move |backend| backend.count(&scan, &except)))
    }
}

impl<B: SyncBackend> Commit for GroupCommit<B> {
    fn commit(&self, batch: Batch) -> StoreFuture<'static, Result<(), CommitError>> {
        let (answer, answered) = oneshot::channel();
        {
            let mut queue = self.shared.queue.lock();
            if queue.closed {
                return Box::pin(async { Err(CommitError::Store(closed())) });
            }
            queue.waiting.push(Waiting { batch, answer });
        }
        self.shared.arrived.notify_one();
        Box::pin(async { answered.await.unwrap_or_else(|_| Err(CommitError::Store(closed()))) })
    }

    fn counts(&self) -> CommitCounts {
        CommitCounts {
            groups: self.shared.groups.load(Ordering::Relaxed),
            batches: self.shared.batches.load(Ordering::Relaxed),
        }
    }
}

impl<B: SyncBackend> Store for GroupCommit<B> {
    fn backup(&self, to: PathBuf) -> StoreFuture<'_, Result<(), StoreError>> {
        Box::pin(self.read(move |backend| backend.backup(&to)))
    }

    fn close(&self) -> StoreFuture<'_, ()> {
        Box::pin(async {
            self.close_queue();
            let writer = self.writer.lock().take();
            let backend = Arc::clone(&self.backend);
            let closing = tokio::task::spawn_blocking(move || {
                // A writer that panicked has nothing left to write.
                let _ended = writer.map(JoinHandle::join);
                backend.close();
            });
            if let Err(error) = closing.await {
                tracing::warn!(%error, "the store was not closed cleanly");
            }
        })
    }
}

impl<B> Drop for GroupCommit<B> {
    fn drop(&mut self) {
        self.shared.queue.lock().closed = true;
        self.shared.arrived.notify_one();
    }
}

fn closed() -> StoreError {
    StoreError::unavailable("the store is closed; open it again, or wait until the server is back")
}

fn write_groups(backend: &impl SyncBackend, shared: &Shared) {
    loop {
        let group = {
            let mut queue = shared.queue.lock();
            while queue.waiting.is_empty() {
                if queue.closed {
                    return;
                }
                shared.arrived.wait(&mut queue);
            }
            std::mem::take(&mut queue.waiting)
        };
        let batches: Vec<&Batch> = group.iter().map(|waiting| &waiting.batch).collect();
        // A backend that panics has failed like one that says so; the writer must outlive it, or commits would wait for ever.
        let outcome = catch_unwind(AssertUnwindSafe(|| backend.commit_group(&batches)))
            .unwrap_or_else(|_| Err(StoreError::unavailable("the store panicked during a commit")));
        match outcome {
            Ok(answers) => {
                shared.groups.fetch_add(1, Ordering::Relaxed);
                shared.batches.fetch_add(group.len() as u64, Ordering::Relaxed);
                for (waiting, answer) in group.into_iter().zip(answers) {
                    // Nobody may be waiting any more; the batch is durable all the same.
                    let _unheard = waiting.answer.send(answer.map_err(CommitError::GuardFailed));
                }
            }
            Err(error) => {
                tracing::error!(%error, batches = group.len(), "a commit failed");
                for waiting in group {
                    let _unheard = waiting.answer.send(Err(CommitError::Store(error.clone())));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::MemoryBackend;

    #[tokio::test]
    async fn a_failed_guard_fails_its_own_batch_only() {
        let store = GroupCommit::new(MemoryBackend::default()).expect("a thread");
        let mut guarded = Batch::default();
        guarded.guard(Keyspace::Meta, *b"absent", Some(b"x".to_vec()));
        guarded.put(Keyspace::Meta, *b"a", b"1".to_vec());
        let mut free = Batch::default();
        free.put(Keyspace::Meta, *b"b", b"2".to_vec());
        let (guarded, free) = (store.commit(guarded), store.commit(free));
        assert!(matches!(guarded.await, Err(CommitError::GuardFailed(0))));
        free.await.expect("the batch without a guard");
        assert_eq!(store.get(Keyspace::Meta, b"a".to_vec()).await.expect("read"), None);
        assert_eq!(store.get(Keyspace::Meta, b"b".to_vec()).await.expect("read"), Some(b"2".to_vec()));
    }

    #[tokio::test]
    async fn a_closed_store_refuses_batches_instead_of_losing_them() {
        let store = GroupCommit::new(MemoryBackend::default()).expect("a thread");
        store.close().await;
        let refused = store.commit(Batch::default()).await;
        assert!(matches!(refused, Err(CommitError::Store(_))));
        store.get(Keyspace::Meta, b"a".to_vec()).await.expect_err("a read is refused too");
    }

    struct Panicking;

    impl SyncBackend for Panicking {
        fn get(&self, _: Keyspace, _: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
            Ok(None)
        }
        fn get_many(&self, _: Keyspace, keys: &[Vec<u8>]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
            Ok(vec![None; keys.len()])
        }
        fn scan(&self, _: &Scan) -> Result<Vec<Row>, StoreError> {
            Ok(Vec::new())
        }
        fn count(&self, _: &Scan, _: &BTreeSet<Vec<u8>>) -> Result<u64, StoreError> {
            Ok(0)
        }
        fn commit_group(&self, _: &[&Batch]) -> Result<Vec<Result<(), usize>>, StoreError> {
            panic!("the backend is broken")
        }
        fn close(&self) {}
    }

    #[tokio::test]
    async fn a_backend_that_panics_fails_the_commit_and_the_next_one_too() {
        let store = GroupCommit::new(Panicking).expect("a thread");
        for _ in 0..2 {
            let failed = store.commit(Batch::default()).await;
            assert!(matches!(failed, Err(CommitError::Store(_))));
        }
    }
}
