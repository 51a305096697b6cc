//! Group commit: one writer thread commits together all batches that are waiting.
//!
//! Nobody waits for a timer. While one group is being synced, the next one gathers, and is applied already.

use std::any::Any;
use std::collections::BTreeSet;
use std::future::ready;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;

use parking_lot::{Condvar, Mutex};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::oneshot;

use super::group::{Answers, Group};
use super::lead::Lead;
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

    /// The same for a group that grows: its batches come one after the other from [`Group::next_batch`], and each is followed
    /// by [`Group::applied`]. What is committed may become durable later, with [`sync`](Self::sync), beside the work on the
    /// next group. It is to be read as it is in the next group's guards and transactions, and not by anybody else.
    ///
    /// As it is provided, it commits what is there, durably.
    fn commit_growing(&self, group: &mut Group<'_>) -> Result<Durable, StoreError> {
        let results = self.commit_group(&group.all())?;
        for result in results {
            group.applied(result);
        }
        Ok(Durable::Already)
    }

    /// Makes durable what [`commit_growing`](Self::commit_growing) left to it. It is called once for each such group, from
    /// another thread, and the next group is not committed before it has returned.
    fn sync(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Writes all that there is at one moment into a new file, beside the load.
    fn backup(&self, to: &Path) -> Result<(), StoreError> {
        Err(StoreError::no_backups(to))
    }

    /// Lets go of what the backend holds.
    fn close(&self);
}

/// When a group that was committed is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durable {
    /// Now.
    Already,
    /// After the next [`SyncBackend::sync`].
    WhenSynced,
}

/// How many commits a store has made since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CommitCounts {
    /// Transactions that were made durable, with one sync each.
    pub groups: u64,
    /// Batches that were in them.
    pub batches: u64,
}

/// What became of a batch, and the batch: it is freed by who made it, beside the next commit, and not by the writer before it.
type Answer = (Result<(), CommitError>, Batch);

pub(super) struct Waiting {
    pub(super) batch: Batch,
    answer: oneshot::Sender<Answer>,
}

impl Waiting {
    pub(super) fn answer(self, result: Result<(), CommitError>) {
        // Nobody may be waiting any more; the batch is durable all the same.
        let _unheard = self.answer.send((result, self.batch));
    }
}

/// Who is writing a group just now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Turn {
    #[default]
    Nobody,
    Writer,
    /// Who brought it.
    Caller,
}

#[derive(Default)]
pub(super) struct Queue {
    pub(super) waiting: Vec<Waiting>,
    /// How many there are to be before the writer is told.
    pub(super) wanted: usize,
    /// A group that is committed and not durable yet.
    committed: Option<Answers>,
    /// There is such a group.
    pub(super) is_syncing: bool,
    pub(super) turn: Turn,
    pub(super) is_closed: bool,
    /// No group is committed any more.
    is_written: bool,
}

#[derive(Default)]
pub(super) struct Shared {
    pub(super) queue: Mutex<Queue>,
    /// Tells the writer of batches and of the end of a sync.
    pub(super) arrived: Condvar,
    /// Tells of a group that is to be synced.
    committed: Condvar,
    /// Where large groups are answered: a runtime that goes on by itself.
    runtime: OnceLock<Handle>,
    groups: AtomicU64,
    batches: AtomicU64,
}

/// A [`Store`] over a backend whose calls block.
pub struct GroupCommit<B> {
    backend: Arc<B>,
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
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
        let this = Self { backend, shared, threads: Mutex::default() };
        this.start("durable-sync", sync_groups)?;
        this.start("durable-writer", write_groups)?;
        Ok(this)
    }

    fn start(&self, name: &str, work: fn(&B, &Shared)) -> Result<(), StoreError> {
        let (backend, shared) = (Arc::clone(&self.backend), Arc::clone(&self.shared));
        let thread =
            std::thread::Builder::new().name(name.into()).spawn(move || work(&backend, &shared)).map_err(|error| {
                self.shared.queue.lock().is_written = true;
                self.shared.committed.notify_one();
                StoreError::unavailable(format!("the system gave no thread for the store's writer: {error}"))
            })?;
        self.threads.lock().push(thread);
        Ok(())
    }

    fn note_runtime(&self) {
        if self.shared.runtime.get().is_none()
            && let Ok(runtime) = Handle::try_current()
            && runtime.runtime_flavor() == RuntimeFlavor::MultiThread
        {
            let _there_already = self.shared.runtime.set(runtime);
        }
    }

    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&B) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        if self.shared.queue.lock().is_closed {
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
        self.note_runtime();
        {
            let mut queue = self.shared.queue.lock();
            if queue.is_closed {
                return Box::pin(async { Err(CommitError::Store(closed())) });
            }
            queue.waiting.push(Waiting { batch, answer });
            // A caller tells the writer at the end of its turn.
            if queue.waiting.len() == queue.wanted && queue.turn != Turn::Caller {
                self.shared.arrived.notify_one();
            }
        }
        Box::pin(async { answered.await.map_or_else(|_| Err(CommitError::Store(closed())), |(result, _)| result) })
    }

    fn commit_in_place(&self, batch: Batch) -> StoreFuture<'static, Result<(), CommitError>> {
        self.note_runtime();
        match Lead::take(&self.shared) {
            Some(lead) => Box::pin(ready(lead.commit(&*self.backend, &batch))),
            None => self.commit(batch),
        }
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
            self.shared.close();
            let threads = std::mem::take(&mut *self.threads.lock());
            let backend = Arc::clone(&self.backend);
            let closing = tokio::task::spawn_blocking(move || {
                // One that panicked has nothing left to write.
                for thread in threads {
                    let _ended = thread.join();
                }
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
        self.shared.close();
    }
}

fn closed() -> StoreError {
    StoreError::unavailable("the store is closed; open it again, or wait until the server is back")
}

/// Commits one group after the other.
fn write_groups(backend: &impl SyncBackend, shared: &Shared) {
    while let Some(mut group) = Group::begin(shared) {
        // A backend that panics has failed like one that says so; the writer must outlive it, or commits would wait for ever.
        let committed = catch_unwind(AssertUnwindSafe(|| backend.commit_growing(&mut group))).unwrap_or_else(panicked);
        let answers = group.end(committed.as_ref().map(drop).map_err(Clone::clone));
        let mut queue = shared.queue.lock();
        queue.turn = Turn::Nobody;
        if matches!(committed, Ok(Durable::WhenSynced)) {
            queue.committed = Some(answers);
            queue.is_syncing = true;
            shared.committed.notify_one();
        } else {
            drop(queue);
            shared.answer(answers);
        }
    }
    shared.queue.lock().is_written = true;
    shared.committed.notify_one();
}

/// Syncs what is committed, beside the work on the next group.
fn sync_groups(backend: &impl SyncBackend, shared: &Shared) {
    loop {
        let mut answers = {
            let mut queue = shared.queue.lock();
            loop {
                if let Some(answers) = queue.committed.take() {
                    break answers;
                }
                if queue.is_written {
                    return;
                }
                shared.committed.wait(&mut queue);
            }
        };
        if let Err(error) = catch_unwind(AssertUnwindSafe(|| backend.sync())).unwrap_or_else(panicked) {
            answers.fail(error);
        }
        shared.queue.lock().is_syncing = false;
        shared.arrived.notify_one();
        shared.answer(answers);
    }
}

pub(super) fn panicked<T>(_: Box<dyn Any + Send>) -> Result<T, StoreError> {
    Err(StoreError::unavailable("the store panicked during a commit"))
}

impl Shared {
    fn close(&self) {
        self.queue.lock().is_closed = true;
        self.arrived.notify_one();
    }

    /// Takes note of a group that was committed, or not.
    pub(super) fn note(&self, batches: usize, error: Option<&StoreError>) {
        match error {
            None => {
                self.groups.fetch_add(1, Ordering::Relaxed);
                self.batches.fetch_add(batches as u64, Ordering::Relaxed);
            }
            Some(error) => tracing::error!(%error, batches, "a commit failed"),
        }
    }

    fn answer(&self, answers: Answers) {
        self.note(answers.len(), answers.error());
        match self.runtime.get() {
            // Beside the next group. They are given too if the runtime has ended, for it drops the task.
            Some(runtime) if answers.are_many() => drop(runtime.spawn(async { drop(answers) })),
            _ => drop(answers),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;
    use std::time::Duration;

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

    /// A disk whose syncs take long, and which says how much was applied while it was synced.
    #[derive(Default)]
    struct Slow {
        rows: MemoryBackend,
        is_syncing: AtomicBool,
        applied_meanwhile: AtomicU64,
        sizes: Mutex<Vec<u64>>,
    }

    impl SyncBackend for Arc<Slow> {
        fn get(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
            self.rows.get(keyspace, key)
        }
        fn get_many(&self, keyspace: Keyspace, keys: &[Vec<u8>]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
            self.rows.get_many(keyspace, keys)
        }
        fn scan(&self, scan: &Scan) -> Result<Vec<Row>, StoreError> {
            self.rows.scan(scan)
        }
        fn count(&self, scan: &Scan, except: &BTreeSet<Vec<u8>>) -> Result<u64, StoreError> {
            self.rows.count(scan, except)
        }
        fn commit_group(&self, _: &[&Batch]) -> Result<Vec<Result<(), usize>>, StoreError> {
            unreachable!("its groups grow")
        }
        fn commit_growing(&self, group: &mut Group<'_>) -> Result<Durable, StoreError> {
            let mut size = 0;
            while let Some(batch) = group.next_batch() {
                size += 1;
                self.applied_meanwhile.fetch_add(self.is_syncing.load(Ordering::SeqCst).into(), Ordering::SeqCst);
                let result = self.rows.commit_group(&[batch])?.remove(0);
                group.applied(result);
            }
            assert!(
                !self.is_syncing.swap(true, Ordering::SeqCst),
                "a group is committed before the last one is durable"
            );
            self.sizes.lock().push(size);
            Ok(Durable::WhenSynced)
        }
        fn sync(&self) -> Result<(), StoreError> {
            std::thread::sleep(Duration::from_millis(20));
            self.is_syncing.store(false, Ordering::SeqCst);
            if self.sizes.lock().len() == 3 { Err(StoreError::unavailable("the disk is gone")) } else { Ok(()) }
        }
        fn close(&self) {}
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_group_grows_while_the_one_before_is_synced_and_each_batch_has_its_own_answer() {
        let disk = Arc::new(Slow::default());
        let store = Arc::new(GroupCommit::new(Arc::clone(&disk)).expect("threads"));
        let mut callers = tokio::task::JoinSet::new();
        for number in 0..64_u8 {
            let store = Arc::clone(&store);
            callers.spawn(async move {
                // A half comes while the first group of the other one is synced.
                tokio::time::sleep(Duration::from_millis(if number % 2 == 0 { 0 } else { 10 })).await;
                let mut answers = [0; 3];
                for round in 0..4_u8 {
                    let mut batch = Batch::default();
                    batch.put(Keyspace::Table, [number, round], Vec::new());
                    if number == 7 {
                        batch.guard(Keyspace::Meta, *b"absent", Some(Vec::new()));
                    }
                    match store.commit(batch).await {
                        Ok(()) => answers[0] += 1,
                        Err(CommitError::GuardFailed(index)) => answers[1] += 1 + index,
                        Err(CommitError::Store(_)) => answers[2] += 1,
                    }
                }
                (number, answers)
            });
        }
        let mut failed = 0;
        for (number, [durable, refused, lost]) in callers.join_all().await {
            assert_eq!(durable + refused + lost, 4);
            assert_eq!(refused > 0, number == 7 && lost < 4);
            failed += lost;
        }
        let sizes = disk.sizes.lock().clone();
        assert_eq!(failed as u64, sizes[2], "the group whose sync failed is answered so, and no other");
        assert_eq!(sizes.iter().sum::<u64>(), 256);
        assert!(disk.applied_meanwhile.load(Ordering::SeqCst) > 0, "{sizes:?}");
        let counts = store.counts();
        assert_eq!((counts.groups, counts.batches), (sizes.len() as u64 - 1, 256 - sizes[2]));
        store.close().await;
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
