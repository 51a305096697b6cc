//! A batch that comes alone is committed by who brought it: no thread is woken for it, and none for its answer.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::slice;

use tokio::runtime::{Handle, RuntimeFlavor};

use super::commit::{Shared, Turn, panicked};
use super::{Batch, CommitError, StoreError, SyncBackend};

/// The turn to write, taken in place of the writer, until it is dropped.
pub(super) struct Lead<'a>(&'a Shared);

impl<'a> Lead<'a> {
    /// Takes the turn, if nothing is written or waits to be, and the thread may be kept busy.
    pub(super) fn take(shared: &'a Shared) -> Option<Self> {
        // What a thread of a runtime of this kind has to do goes on in another one.
        if !Handle::try_current().is_ok_and(|runtime| runtime.runtime_flavor() == RuntimeFlavor::MultiThread) {
            return None;
        }
        let mut queue = shared.queue.lock();
        let is_alone = queue.waiting.is_empty() && queue.turn == Turn::Nobody && !queue.is_syncing && !queue.is_closed;
        if !is_alone {
            return None;
        }
        queue.turn = Turn::Caller;
        Some(Self(shared))
    }

    /// Commits the batch.
    pub(super) fn commit(self, backend: &impl SyncBackend, batch: &Batch) -> Result<(), CommitError> {
        let group = AssertUnwindSafe(|| backend.commit_group(slice::from_ref(&batch)));
        let committed = tokio::task::block_in_place(|| catch_unwind(group).unwrap_or_else(panicked));
        self.0.note(1, committed.as_ref().err());
        match committed.as_deref() {
            Ok([Ok(())]) => Ok(()),
            Ok([Err(guard)]) => Err(CommitError::GuardFailed(*guard)),
            Ok(_) => Err(CommitError::Store(StoreError::unavailable("the store did not say what became of a batch"))),
            Err(error) => Err(CommitError::Store(error.clone())),
        }
    }
}

impl Drop for Lead<'_> {
    fn drop(&mut self) {
        let mut queue = self.0.queue.lock();
        queue.turn = Turn::Nobody;
        if !queue.waiting.is_empty() || queue.is_closed {
            self.0.arrived.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;
    use std::thread::{self, ThreadId};
    use std::time::Duration;

    use parking_lot::Mutex;

    use super::*;
    use crate::store::{Commit as _, GroupCommit, Keyspace, Row, Scan, Store as _};

    const LONG: Duration = Duration::from_millis(100);

    /// A disk that notes which thread commits what. A row named `slow` takes long, `broken` fails, and `panics` panics.
    #[derive(Default)]
    struct Noting(Mutex<Vec<(ThreadId, String)>>);

    impl Noting {
        fn committed(&self) -> Vec<String> {
            self.0.lock().iter().map(|(_, name)| name.clone()).collect()
        }
    }

    impl SyncBackend for Arc<Noting> {
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
        fn commit_group(&self, group: &[&Batch]) -> Result<Vec<Result<(), usize>>, StoreError> {
            for batch in group {
                let name = String::from_utf8_lossy(&batch.writes[0].key).into_owned();
                match name.as_str() {
                    "slow" => thread::sleep(LONG),
                    "broken" => return Err(StoreError::unavailable("the disk is full")),
                    "panics" => panic!("the backend is broken"),
                    _ => {}
                }
                self.0.lock().push((thread::current().id(), name));
            }
            Ok(group.iter().map(|batch| if batch.guards.is_empty() { Ok(()) } else { Err(0) }).collect())
        }
        fn close(&self) {
            self.0.lock().push((thread::current().id(), "closed".into()));
        }
    }

    fn batch(name: &str) -> Batch {
        let mut batch = Batch::default();
        batch.put(Keyspace::Table, name, Vec::new());
        batch
    }

    fn store() -> (Arc<Noting>, Arc<GroupCommit<Arc<Noting>>>) {
        let disk = Arc::new(Noting::default());
        (Arc::clone(&disk), Arc::new(GroupCommit::new(disk).expect("threads")))
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_batch_alone_is_committed_on_the_thread_of_who_brought_it() {
        let (disk, store) = store();
        let bringing = tokio::spawn(async move {
            let caller = thread::current().id();
            let committing = store.commit_in_place(batch("a"));
            let (committed, counts) = (disk.0.lock().clone(), store.counts());
            committing.await.expect("it is durable");
            assert_eq!(committed, [(caller, "a".to_owned())]);
            assert_eq!((counts.groups, counts.batches), (1, 1));
            store.commit(batch("b")).await.expect("it is durable");
            assert_ne!(disk.0.lock()[1].0, caller, "the writer has its turn afterwards");
        });
        bringing.await.expect("nothing panics");
    }

    #[tokio::test]
    async fn a_runtime_of_one_thread_is_not_blocked() {
        let (disk, store) = store();
        let committing = store.commit_in_place(batch("slow"));
        assert!(disk.committed().is_empty(), "it is left to the writer");
        committing.await.expect("it is durable");
        assert_ne!(disk.0.lock()[0].0, thread::current().id());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_comes_meanwhile_waits_for_its_turn_and_so_does_closing() {
        let (disk, store) = store();
        let leader = tokio::spawn({
            let store = Arc::clone(&store);
            async move { store.commit_in_place(batch("slow")).await }
        });
        tokio::time::sleep(LONG / 2).await;
        let later = [store.commit_in_place(batch("a")), store.commit(batch("b"))];
        let closing = tokio::spawn({
            let store = Arc::clone(&store);
            async move { store.close().await }
        });
        leader.await.expect("no panic").expect("it is durable");
        for later in later {
            later.await.expect("it is durable");
        }
        closing.await.expect("no panic");
        assert_eq!(disk.committed(), ["slow", "a", "b", "closed"]);
        assert!(matches!(store.commit_in_place(batch("c")).await, Err(CommitError::Store(_))), "it is closed");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn closing_waits_for_a_batch_that_nobody_follows() {
        let (disk, store) = store();
        let leader = tokio::spawn({
            let store = Arc::clone(&store);
            async move { store.commit_in_place(batch("slow")).await }
        });
        tokio::time::sleep(LONG / 2).await;
        store.close().await;
        leader.await.expect("no panic").expect("it is durable");
        assert_eq!(disk.committed(), ["slow", "closed"]);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn one_that_fails_gives_its_turn_back() {
        let (disk, store) = store();
        let bringing = tokio::spawn(async move {
            let mut guarded = batch("guarded");
            guarded.guard(Keyspace::Meta, *b"absent", Some(Vec::new()));
            assert!(matches!(store.commit_in_place(guarded).await, Err(CommitError::GuardFailed(0))));
            for name in ["broken", "panics"] {
                assert!(matches!(store.commit_in_place(batch(name)).await, Err(CommitError::Store(_))), "{name}");
            }
            assert_eq!(store.counts().groups, 1, "what failed is not counted");
            store.commit_in_place(batch("a")).await.expect("it is durable");
            store.commit(batch("b")).await.expect("it is durable");
        });
        bringing.await.expect("no panic");
        assert_eq!(disk.committed(), ["guarded", "a", "b"]);
    }
}
