//! A store that kills its process around a commit.

use std::collections::BTreeSet;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};

use durable_runtime::store::{
    Batch, Commit, CommitCounts, CommitError, Keyspace, Read, Row, Scan, Store, StoreError, StoreFuture,
};
use rustix::process::{Signal, getpid, kill_process};

/// When the process dies: before or after the commit of this number, of those that belong to calls.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Death {
    is_after: bool,
    number: u64,
}

impl FromStr for Death {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (when, number) = text.split_once(':').ok_or("not `before:N` or `after:N`")?;
        let is_after = match when {
            "before" => false,
            "after" => true,
            other => return Err(format!("`{other}` is neither `before` nor `after`")),
        };
        Ok(Self { is_after, number: number.parse().map_err(|error| format!("`{number}`: {error}"))? })
    }
}

/// A store whose process dies.
pub(crate) struct Dying<S> {
    inner: S,
    death: Death,
    commits: AtomicU64,
}

impl<S> Dying<S> {
    pub(crate) fn new(inner: S, death: Death) -> Self {
        Self { inner, death, commits: AtomicU64::new(0) }
    }
}

fn die() {
    kill_process(getpid(), Signal::KILL).expect("a process can kill itself");
    // The signal comes at any moment; nothing is done meanwhile.
    loop {
        std::thread::park();
    }
}

impl<S: Store> Commit for Dying<S> {
    fn commit(&self, batch: Batch) -> StoreFuture<'static, Result<(), CommitError>> {
        let is_of_a_call = batch.transaction.is_some()
            || batch.writes.iter().any(|write| matches!(write.keyspace, Keyspace::Journal | Keyspace::Result));
        let number = if is_of_a_call { self.commits.fetch_add(1, Ordering::SeqCst) + 1 } else { 0 };
        let is_last = number == self.death.number;
        if is_last && !self.death.is_after {
            die();
        }
        let committing = self.inner.commit(batch);
        let dies = is_last && self.death.is_after;
        Box::pin(async move {
            let answer = committing.await;
            if dies {
                die();
            }
            answer
        })
    }

    fn counts(&self) -> CommitCounts {
        self.inner.counts()
    }
}

impl<S: Store> Read for Dying<S> {
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

impl<S: Store> Store for Dying<S> {
    fn close(&self) -> StoreFuture<'_, ()> {
        self.inner.close()
    }
}
