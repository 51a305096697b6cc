//! The store as a context of tables, outside of tools.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use super::operation::sealed::{Answer, Reads, Writes};
use super::operation::{self, GetRequest, ReadRequest, ReadTables, WriteRequest, WriteTables};
use super::overlay::{self, Overlay};
use crate::error::Error;
use crate::store::redb::{RedbOptions, open_file};
use crate::store::{self, Batch, CommitError, GroupCommit, Keyspace, MemoryBackend, Row, StoreError};

/// A handle of a store, with which tables are read and written outside of tools: in tests and in programs that look after
/// the data.
///
/// It is got from a running server with [`Server::store`](crate::Server::store), or opened on a file that no server has
/// open. Each write is one durable commit, all of it or nothing. Reads see what is durable.
///
/// ```
/// use durable_runtime::prelude::*;
/// use durable_runtime::Store;
///
/// const USERS: SortedMap<String> = SortedMap::new("users");
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Error> {
/// # let directory = tempfile::tempdir().unwrap();
/// # let path = directory.path().join("users.redb");
/// let store = Store::open(path).await?;
/// USERS.insert(&store, [("ada", "ada@example.org".to_owned())]).await?;
/// assert_eq!(USERS.get(&store, "ada").await?.as_deref(), Some("ada@example.org"));
/// store.close().await;
/// # Ok(())
/// # }
/// ```
///
/// What a backend implements is the trait of the same name, [`store::Store`](trait@crate::store::Store).
///
/// Clones are the same store.
///
/// # Errors
///
/// Beside those of each operation: `store_unavailable`, when the disk is full or fails, or the store is closed. Whether a
/// write that failed so is durable is not known; a later read says.
#[derive(Clone)]
pub struct Store {
    store: Arc<dyn store::Store>,
    is_server: bool,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}

impl Store {
    /// Opens a store's file when awaited. It is made if it does not exist; its directory must exist. One process at a time
    /// has it open.
    ///
    /// # Errors
    ///
    /// When awaited: `store_held` (a server has it; use [`Server::store`](crate::Server::store) there), `store_foreign`,
    /// `store_damaged`, `store_format_newer`, `store_format_older`, `store_not_a_file`, `store_directory_missing`,
    /// `store_not_permitted`, `store_unavailable`. Nothing is written to a file that is refused.
    pub fn open(path: impl Into<PathBuf>) -> OpenStore {
        OpenStore { options: RedbOptions::new(path) }
    }

    /// An empty store in memory, for tests.
    ///
    /// # Errors
    ///
    /// `store_unavailable`, when the system gives no thread.
    pub fn in_memory() -> Result<Self, Error> {
        Ok(Self::custom(GroupCommit::new(MemoryBackend::default())?))
    }

    /// Another store than a file, as [`ServerBuilder::custom_store`](crate::ServerBuilder::custom_store) takes it.
    pub fn custom(store: impl store::Store) -> Self {
        Self { store: Arc::new(store), is_server: false }
    }

    pub(crate) fn of_server(store: Arc<dyn store::Store>) -> Self {
        Self { store, is_server: true }
    }

    pub(super) async fn commit(&self, batch: Batch) -> Result<(), Error> {
        match self.store.commit(batch).await {
            Ok(()) => Ok(()),
            Err(CommitError::Store(error)) => Err(error.into()),
            Err(CommitError::GuardFailed(_)) => {
                Err(StoreError::unavailable("the store refused a batch that has no guard").into())
            }
        }
    }

    /// Writes a backup: all that is durable at one moment, as a store in a new file. A server goes on meanwhile; what is
    /// freed in its file during the backup is used anew only after it. The file has this name when it is whole.
    ///
    /// ```
    /// # use durable_runtime::prelude::*;
    /// # async fn back_up(server: &Server) -> Result<(), Error> {
    /// server.store().backup("users-2026-11-25.redb").await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// `backup_exists`, when there is such a file; `store_unavailable`, when there is no room for it or it cannot be written;
    /// `store_not_permitted`; `backup_unsupported`, when the store is not a file.
    pub async fn backup(&self, to: impl Into<PathBuf>) -> Result<(), Error> {
        Ok(self.store.backup(to.into()).await?)
    }

    /// Ends the work that is under way, and lets go of the file. A server's store stays open: it is the server that closes
    /// it.
    ///
    /// A handle that is only dropped lets go of the file too, soon after.
    pub async fn close(self) {
        if !self.is_server {
            self.store.close().await;
        }
    }
}

/// A store's file that is about to be opened: opened when it is awaited.
#[must_use = "a store is opened when this is awaited"]
#[derive(Debug)]
pub struct OpenStore {
    options: RedbOptions,
}

impl OpenStore {
    /// Memory for cached parts of the file, in bytes (256 MiB). The file may be much larger.
    pub fn cache_bytes(mut self, bytes: usize) -> Self {
        self.options.cache_bytes = bytes;
        self
    }
}

impl IntoFuture for OpenStore {
    type Output = Result<Store, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async { Ok(Store::custom(open_file(self.options).await?)) })
    }
}

impl Reads for Store {
    fn read(&self, request: ReadRequest) -> Answer<'_, Vec<Row>> {
        Box::pin(async move { Ok(operation::answer(&*self.store, request, Overlay::default()).await?) })
    }

    fn get_many(&self, request: GetRequest) -> Answer<'_, Vec<Option<Vec<u8>>>> {
        Box::pin(async move { Ok(overlay::get_many(&*self.store, Overlay::default(), request.keys).await?) })
    }

    fn count(&self, request: ReadRequest) -> Answer<'_, u64> {
        Box::pin(async move { Ok(overlay::count(&*self.store, Overlay::default(), request.scan).await?) })
    }
}

impl Writes for Store {
    fn write(&self, request: WriteRequest) -> Answer<'_, ()> {
        Box::pin(async move {
            let mut batch = Batch::default();
            for (key, value) in request.rows {
                match value {
                    Some(value) => batch.put(Keyspace::Table, key, value),
                    None => batch.delete(Keyspace::Table, key),
                }
            }
            if batch.writes.is_empty() {
                return Ok(());
            }
            self.commit(batch).await
        })
    }
}

impl ReadTables for Store {}
impl WriteTables for Store {}
