//! The store: ordered bytes with atomic, conditional, durable commits. All policy lives above it.
//!
//! A backend is anything that keeps the contracts of [`Read`] and [`Commit`]. Nothing above this module knows which
//! one it has, holds a transaction across an await, or points into a backend's memory.

mod commit;
mod group;
mod lead;
mod memory;
pub(crate) mod redb;
mod transaction;

use std::collections::BTreeSet;
use std::fmt;
use std::future::Future;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::pin::Pin;

pub use commit::{CommitCounts, Durable, GroupCommit, SyncBackend};
pub use group::Group;
pub use memory::MemoryBackend;
pub use transaction::{Transact, Transaction, View};

use crate::error::{Error, ErrorKind};

/// Opens a store in one redb file, which is made if it does not exist, with 256 MiB of memory for cached parts: what
/// [`ServerBuilder::store`](crate::ServerBuilder::store) opens, as a value, to wrap it (metrics, faults) before it goes to
/// [`ServerBuilder::custom_store`](crate::ServerBuilder::custom_store).
///
/// # Errors
///
/// As of [`Store::open`](crate::Store::open). Nothing is written to a file that is refused.
pub async fn open(path: impl Into<PathBuf>) -> Result<impl Store, Error> {
    self::redb::open_file(self::redb::RedbOptions::new(path)).await
}

/// A boxed future of a store.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The key and value bytes of one row.
pub type Row = (Vec<u8>, Vec<u8>);

/// The separately ordered sets of rows that a store holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Keyspace {
    /// One row for each fact about the store itself: its format version, whether it was closed cleanly.
    Meta,
    /// One small row for each invocation that has not ended. Recovery reads this and nothing larger.
    Unfinished,
    /// The journals: one row for each batch of an invocation, under its id and the batch's number.
    Journal,
    /// One row for each invocation that has ended: its result.
    Result,
    /// One row for each idempotency key in use.
    IdempotencyKey,
    /// The rows of all tables, under the table's name and the row's key.
    Table,
    /// One row for each session of a client, under its id.
    Session,
    /// One row for each stream that a call is answered on, under its session and its number.
    Stream,
    /// One row for each invocation that has ended, under the time of that: what is to be forgotten of it some time later.
    Retention,
    /// One row for each thing that the client of a session wants to be told, under its session.
    SessionWish,
}

impl Keyspace {
    /// Every keyspace.
    pub const ALL: [Self; 10] = [
        Self::Meta,
        Self::Unfinished,
        Self::Journal,
        Self::Result,
        Self::IdempotencyKey,
        Self::Table,
        Self::Session,
        Self::Stream,
        Self::Retention,
        Self::SessionWish,
    ];
}

/// A condition of a [`Batch`]: the row must hold just this when the batch is committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guard {
    /// Where the row is.
    pub keyspace: Keyspace,
    /// The row's key.
    pub key: Vec<u8>,
    /// The value that it must have; `None`: there must be no such row.
    pub expected: Option<Vec<u8>>,
}

/// One row to put or to delete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// Where the row is.
    pub keyspace: Keyspace,
    /// The row's key.
    pub key: Vec<u8>,
    /// The value to put; `None` deletes the row, which need not exist.
    pub value: Option<Vec<u8>>,
}

/// Rows that are committed together, if all their guards hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// What must be so.
    pub guards: Vec<Guard>,
    /// What is done then, in this order.
    pub writes: Vec<Write>,
    /// What is decided within the commit, after the writes.
    pub transaction: Option<Transaction>,
}

impl Batch {
    /// Puts a row, in place of one that has its key.
    pub fn put(&mut self, keyspace: Keyspace, key: impl Into<Vec<u8>>, value: Vec<u8>) {
        self.writes.push(Write { keyspace, key: key.into(), value: Some(value) });
    }

    /// Deletes a row, if it exists.
    pub fn delete(&mut self, keyspace: Keyspace, key: impl Into<Vec<u8>>) {
        self.writes.push(Write { keyspace, key: key.into(), value: None });
    }

    /// Makes the batch depend on a row's value.
    pub fn guard(&mut self, keyspace: Keyspace, key: impl Into<Vec<u8>>, expected: Option<Vec<u8>>) {
        self.guards.push(Guard { keyspace, key: key.into(), expected });
    }
}

/// A part of a keyspace, in one direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scan {
    /// Where to read.
    pub keyspace: Keyspace,
    /// The lower bound of the keys.
    pub lower: Bound<Vec<u8>>,
    /// The upper bound of the keys.
    pub upper: Bound<Vec<u8>>,
    /// From the largest key to the smallest.
    pub descending: bool,
    /// How many rows at most.
    pub limit: usize,
}

/// What a store can be asked.
pub trait Read: Send + Sync + 'static {
    /// The value of a row.
    fn get(&self, keyspace: Keyspace, key: Vec<u8>) -> StoreFuture<'_, Result<Option<Vec<u8>>, StoreError>>;

    /// The values of several rows, in the order of the keys, all of one moment.
    fn get_many(
        &self,
        keyspace: Keyspace,
        keys: Vec<Vec<u8>>,
    ) -> StoreFuture<'_, Result<Vec<Option<Vec<u8>>>, StoreError>>;

    /// The first rows of a scan. All rows of one answer are of one moment. It sees every batch whose commit has
    /// returned, and no batch that is not durable.
    fn scan(&self, scan: Scan) -> StoreFuture<'_, Result<Vec<Row>, StoreError>>;

    /// The first rows of several scans, in their order. The answer of each is as of [`scan`](Self::scan) alone.
    fn scan_many(&self, scans: Vec<Scan>) -> StoreFuture<'_, Result<Vec<Vec<Row>>, StoreError>> {
        Box::pin(async move {
            let mut answers = Vec::with_capacity(scans.len());
            for scan in scans {
                answers.push(self.scan(scan).await?);
            }
            Ok(answers)
        })
    }

    /// How many rows there are within a scan's bounds, at one moment; those with the keys of `except` are not counted. The
    /// scan's direction and limit mean nothing here.
    fn count(&self, scan: Scan, except: BTreeSet<Vec<u8>>) -> StoreFuture<'_, Result<u64, StoreError>>;
}

/// What a store can be told.
pub trait Commit: Send + Sync + 'static {
    /// Commits a batch: all of it or nothing. When it returns `Ok` the batch is durable, and later reads see it.
    ///
    /// Batches take effect in the order of the calls. The work goes on if the future is dropped.
    ///
    /// # Errors
    ///
    /// [`CommitError::GuardFailed`]: nothing was written. [`CommitError::Store`]: whether the batch is durable is not
    /// known; what a later read finds, decides.
    fn commit(&self, batch: Batch) -> StoreFuture<'static, Result<(), CommitError>>;

    /// The same for a caller that has nothing else to do until the batch is durable: a store may commit it on the caller's
    /// thread, which saves the time that it takes to wake another one. What the runtime has to do on that thread must go on
    /// elsewhere, as with [`block_in_place`](tokio::task::block_in_place).
    fn commit_in_place(&self, batch: Batch) -> StoreFuture<'static, Result<(), CommitError>> {
        self.commit(batch)
    }

    /// How many commits there were.
    fn counts(&self) -> CommitCounts;
}

/// A store of durable state.
pub trait Store: Read + Commit {
    /// Writes all that is durable at one moment into a new store of this kind at this path, beside the load.
    ///
    /// # Errors
    ///
    /// `backup_unsupported`, unless the store says otherwise.
    fn backup(&self, to: PathBuf) -> StoreFuture<'_, Result<(), StoreError>> {
        Box::pin(async move { Err(StoreError::no_backups(&to)) })
    }

    /// Ends the work that is under way, and lets go of what the store holds (a file, its lock). Calls that come later fail.
    fn close(&self) -> StoreFuture<'_, ()>;
}

/// Why a batch was not committed.
#[derive(Debug)]
pub enum CommitError {
    /// The guard with this index did not hold.
    GuardFailed(usize),
    /// The store failed.
    Store(StoreError),
}

/// A store that could not do what it was asked, for a reason outside the request: a full disk, an I/O error, a file
/// that is not what it should be.
#[derive(Clone, Debug)]
pub struct StoreError {
    kind: ErrorKind,
    code: &'static str,
    message: String,
}

impl StoreError {
    /// A failure that may pass.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self { kind: ErrorKind::Retry, code: "store_unavailable", message: message.into() }
    }

    fn no_backups(to: &Path) -> Self {
        Self::unusable(
            "backup_unsupported",
            format!(
                "this store writes no backups, so none was made as `{}`; use what its own system has",
                to.display()
            ),
        )
    }

    /// A failure that does not pass until somebody does something.
    pub(crate) fn unusable(code: &'static str, message: impl Into<String>) -> Self {
        Self { kind: ErrorKind::AskPerson, code, message: message.into() }
    }
}

impl StoreError {
    /// Whether the store is open somewhere else.
    pub(crate) fn is_held(&self) -> bool {
        self.code == "store_held"
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for StoreError {}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        Self::new(error.kind, error.code, error.message)
    }
}
