//! A store that is disturbed at a commit of a call.

use std::collections::BTreeSet;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};

use durable_runtime::store::{
    Batch, Commit, CommitCounts, CommitError, Keyspace, Read, Row, Scan, Store, StoreError, StoreFuture,
};
use rustix::process::{Signal, getpid, kill_process};

use crate::witness;

/// What happens, counting the commits that belong to calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Disturbance {
    /// The process dies before the commit of this number.
    DeathBefore(u64),
    /// The process dies when the commit of this number is durable, and nobody knows.
    DeathAfter(u64),
    /// The first commit is acknowledged when the point `commit` is not held any more, as by a slow disk.
    Hold,
}

impl FromStr for Disturbance {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (when, number) = text.split_once(':').ok_or("not `before:N` or `after:N`")?;
        let number = number.parse().map_err(|error| format!("`{number}`: {error}"))?;
        match when {
            "before" => Ok(Self::DeathBefore(number)),
            "after" => Ok(Self::DeathAfter(number)),
            other => Err(format!("`{other}` is neither `before` nor `after`")),
        }
    }
}

/// A store that is disturbed.
pub(crate) struct Disturbed<S> {
    inner: S,
    disturbance: Disturbance,
    commits: AtomicU64,
}

impl<S> Disturbed<S> {
    pub(crate) fn new(inner: S, disturbance: Disturbance) -> Self {
        Self { inner, disturbance, commits: AtomicU64::new(0) }
    }
}

fn die() {
    kill_process(getpid(), Signal::KILL).expect("a process can kill itself");
    // The signal comes at any moment; nothing is done meanwhile.
    loop {
        std::thread::park();
    }
}

impl<S: Store> Disturbed<S> {
    fn disturbed(
        &self,
        batch: Batch,
        commit: fn(&S, Batch) -> StoreFuture<'static, Result<(), CommitError>>,
    ) -> StoreFuture<'static, Result<(), CommitError>> {
        let is_of_a_call = batch.transaction.is_some()
            || batch.writes.iter().any(|write| matches!(write.keyspace, Keyspace::Journal | Keyspace::Result));
        let number = if is_of_a_call { self.commits.fetch_add(1, Ordering::SeqCst) + 1 } else { 0 };
        let disturbance = self.disturbance;
        if disturbance == Disturbance::DeathBefore(number) {
            die();
        }
        let committing = commit(&self.inner, batch);
        Box::pin(async move {
            let answer = committing.await;
            if disturbance == Disturbance::DeathAfter(number) {
                die();
            }
            if disturbance == Disturbance::Hold && number == 1 {
                // It goes on when it cannot look.
                let _held = witness::held("commit").await;
            }
            answer
        })
    }
}

impl<S: Store> Commit for Disturbed<S> {
    fn commit(&self, batch: Batch) -> StoreFuture<'static, Result<(), CommitError>> {
        self.disturbed(batch, S::commit)
    }

    fn commit_in_place(&self, batch: Batch) -> StoreFuture<'static, Result<(), CommitError>> {
        self.disturbed(batch, S::commit_in_place)
    }

    fn counts(&self) -> CommitCounts {
        self.inner.counts()
    }
}

impl<S: Store> Read for Disturbed<S> {
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

impl<S: Store> Store for Disturbed<S> {
    fn close(&self) -> StoreFuture<'_, ()> {
        self.inner.close()
    }
}
