//! The store in one redb file.

mod backup;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod medium;
mod open;
mod owner;

use std::collections::BTreeSet;
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::Duration;

use ::redb::{Database, ReadTransaction, ReadableDatabase, ReadableTable, TableDefinition, TableError};
use parking_lot::{Mutex, RwLock};

use self::medium::{PutOff, Unsynced};
use self::owner::OwnerNote;
use super::group::SMALL;
use super::{Batch, Durable, Group, GroupCommit, Keyspace, Row, Scan, StoreError, SyncBackend, View, Write};
use crate::error::{Error, ErrorKind};

type Table = TableDefinition<'static, &'static [u8], &'static [u8]>;

type ReadTable = ::redb::ReadOnlyTable<&'static [u8], &'static [u8]>;

/// The redb table of a keyspace. The names are part of the file format.
fn table(keyspace: Keyspace) -> Table {
    TableDefinition::new(match keyspace {
        Keyspace::Meta => "meta",
        Keyspace::Unfinished => "unfinished",
        Keyspace::Journal => "journal",
        Keyspace::Result => "result",
        Keyspace::IdempotencyKey => "idempotency_key",
        Keyspace::Table => "table",
        Keyspace::Session => "session",
        Keyspace::Stream => "stream",
        Keyspace::Retention => "retention",
        Keyspace::SessionWish => "session_wish",
    })
}

/// Memory for cached pages unless something else is said, in bytes.
const CACHE_BYTES: usize = 256 << 20;

/// How often, and how many times at most, a file that is to be opened again is tried while reads still hold it.
const LOOK: Duration = Duration::from_millis(1);
const LOOKS: u32 = 1000;

/// Where the file is, and how it is used.
#[derive(Clone, Debug)]
pub(crate) struct RedbOptions {
    pub(crate) path: PathBuf,
    /// Memory for cached pages, in bytes.
    pub(crate) cache_bytes: usize,
    /// Every commit writes down what is free in the file, so that it need not be walked when it is opened after a kill.
    pub(crate) quick_recovery: bool,
}

impl RedbOptions {
    pub(crate) fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), cache_bytes: CACHE_BYTES, quick_recovery: false }
    }
}

/// A file that is open.
struct Opened {
    database: Database,
    syncs: Arc<dyn PutOff>,
}

/// Opens the file, at first and after a failure.
type Opener = Box<dyn Fn(&RedbOptions) -> Result<Opened, StoreError> + Send + Sync>;

/// What reads see.
enum Readable {
    /// What was committed last.
    Latest,
    /// What was committed before, for that is not durable yet.
    Before(Arc<ReadTransaction>),
    /// Nothing: what was committed last may be lost, and the file is opened again.
    Nothing,
}

/// One redb file, held by this process alone.
pub(crate) struct RedbBackend {
    options: RedbOptions,
    opener: Opener,
    /// `None` after a failed commit, until the file is opened again: redb's state in memory is not to be trusted then.
    opened: RwLock<Option<Arc<Opened>>>,
    /// What it was before: as long as somebody reads from it, the file cannot be opened.
    previous: Mutex<Weak<Opened>>,
    readable: Mutex<Readable>,
    /// The file with a commit that is not durable yet.
    unsynced: Mutex<Option<Arc<Opened>>>,
    owner: Option<OwnerNote>,
}

/// Opens the file, or makes a new one, without blocking the runtime.
pub(crate) async fn open_file(options: RedbOptions) -> Result<GroupCommit<RedbBackend>, Error> {
    let opened = tokio::task::spawn_blocking(move || RedbBackend::open(options)).await;
    let opened = opened.map_err(|error| {
        Error::new(ErrorKind::AskPerson, "store_damaged", "opening the store panicked").with_source(error)
    })?;
    Ok(opened?)
}

impl RedbBackend {
    /// Opens the file, or makes a new one, and starts its writer.
    pub(crate) fn open(options: RedbOptions) -> Result<GroupCommit<Self>, StoreError> {
        let path = options.path.clone();
        let unsynced = Unsynced::of(&path);
        let mut backend = Self::open_by(options, Box::new(move |options| open::open(options, &unsynced)))?;
        backend.owner = Some(OwnerNote::write(&path));
        GroupCommit::new(backend)
    }

    fn open_by(options: RedbOptions, opener: Opener) -> Result<Self, StoreError> {
        let opened = RwLock::new(Some(Arc::new(opener(&options)?)));
        let (readable, unsynced) = (Mutex::new(Readable::Latest), Mutex::default());
        Ok(Self { options, opener, opened, previous: Mutex::default(), readable, unsynced, owner: None })
    }

    fn opened(&self) -> Result<Arc<Opened>, StoreError> {
        if let Some(opened) = &*self.opened.read() {
            return Ok(Arc::clone(opened));
        }
        let mut slot = self.opened.write();
        if let Some(opened) = &*slot {
            return Ok(Arc::clone(opened));
        }
        let opened = Arc::new(self.open_again()?);
        *self.readable.lock() = Readable::Latest;
        tracing::info!(path = %self.options.path.display(), "the store is open again");
        Ok(Arc::clone(slot.insert(opened)))
    }

    /// Opens the file when the last ones who read from it as it was have let go of it, or says that they have not.
    fn open_again(&self) -> Result<Opened, StoreError> {
        // A new file in its place would be an empty store, in which nothing of what was promised is kept.
        if self.owner.is_some() && !self.options.path.exists() {
            return Err(StoreError::unavailable(format!(
                "the file of the store `{}` is gone; put it back, and the server goes on",
                self.options.path.display()
            )));
        }
        let mut looks = 0;
        loop {
            match (self.opener)(&self.options) {
                Err(error) if error.is_held() => {
                    if looks == LOOKS && self.previous.lock().strong_count() > 0 {
                        return Err(StoreError::unavailable(format!(
                            "the store `{}` cannot be opened again before reads of it have ended",
                            self.options.path.display()
                        )));
                    }
                    if looks == LOOKS {
                        return Err(error);
                    }
                    looks += 1;
                    std::thread::sleep(LOOK);
                }
                opened => return opened,
            }
        }
    }

    /// Works with the file. After a failure it is opened again before it is used again: redb refuses everything until then, and
    /// what it has in memory is not to be trusted.
    fn using<T>(
        &self,
        doing: &str,
        work: impl FnOnce(&Arc<Opened>) -> Result<T, ::redb::Error>,
    ) -> Result<T, StoreError> {
        let opened = self.opened()?;
        // redb may panic over a file that something else has written into.
        let done = catch_unwind(AssertUnwindSafe(|| work(&opened)));
        let error = match done {
            Ok(Ok(done)) => return Ok(done),
            Ok(Err(error)) => open::failure(&self.options.path, doing, &error),
            Err(_) => open::damaged(&self.options.path, "redb could not make sense of a part of it"),
        };
        self.give_up(opened);
        Err(error)
    }

    /// The file is opened again before it is used again.
    fn give_up(&self, opened: Arc<Opened>) {
        let mut current = self.opened.write();
        if current.as_ref().is_some_and(|current| Arc::ptr_eq(current, &opened)) {
            *self.previous.lock() = Arc::downgrade(&opened);
            *current = None;
            *self.readable.lock() = Readable::Nothing;
        }
        // What is damaged may panic here too.
        let _closed = catch_unwind(AssertUnwindSafe(|| drop(opened)));
    }

    /// Reads what is durable.
    fn reading<T>(&self, work: impl FnOnce(&ReadTransaction) -> Result<T, ::redb::Error>) -> Result<T, StoreError> {
        self.using("read", |opened| work(&*self.snapshot(&opened.database)?))
    }

    fn snapshot(&self, database: &Database) -> Result<Arc<ReadTransaction>, ::redb::Error> {
        // Held over the beginning of the read, so that no commit comes in between.
        match &*self.readable.lock() {
            Readable::Latest => Ok(Arc::new(database.begin_read()?)),
            Readable::Before(snapshot) => Ok(Arc::clone(snapshot)),
            Readable::Nothing => Err(::redb::Error::PreviousIo),
        }
    }

    /// Commits a group. The sync of one with more than so many batches comes later.
    fn commit_and(&self, group: &mut Group<'_>, puts_off_above: Option<usize>) -> Result<Durable, StoreError> {
        self.using("write", |opened| {
            let mut transaction = opened.database.begin_write()?;
            transaction.set_quick_repair(self.options.quick_recovery);
            apply(&transaction, group)?;
            // The commit before is durable now. One with a quick recovery syncs more than once.
            let puts_off = !self.options.quick_recovery && puts_off_above.is_some_and(|small| group.len() > small);
            if !puts_off {
                transaction.commit()?;
                return Ok(Durable::Already);
            }
            *self.readable.lock() = Readable::Before(Arc::new(opened.database.begin_read()?));
            opened.syncs.put_off()?;
            transaction.commit()?;
            *self.unsynced.lock() = Some(Arc::clone(opened));
            Ok(Durable::WhenSynced)
        })
    }
}

fn borrowed(bound: &Bound<Vec<u8>>) -> Bound<&[u8]> {
    match bound {
        Bound::Included(key) => Bound::Included(key),
        Bound::Excluded(key) => Bound::Excluded(key),
        Bound::Unbounded => Bound::Unbounded,
    }
}

fn rows(table: &impl ReadableTable<&'static [u8], &'static [u8]>, scan: &Scan) -> Result<Vec<Row>, ::redb::Error> {
    let mut range = table.range::<&[u8]>((borrowed(&scan.lower), borrowed(&scan.upper)))?;
    let mut rows = Vec::new();
    while rows.len() < scan.limit {
        let next = if scan.descending { range.next_back() } else { range.next() };
        let Some(row) = next else { break };
        let (key, value) = row?;
        rows.push((key.value().to_vec(), value.value().to_vec()));
    }
    Ok(rows)
}

/// Gives up on the transaction and says which guard failed, or that redb did.
enum Refusal {
    Guard(usize),
    Redb(::redb::Error),
}

impl<E: Into<::redb::Error>> From<E> for Refusal {
    fn from(error: E) -> Self {
        Self::Redb(error.into())
    }
}

/// The tables of one write transaction, each opened when it is first needed.
struct OpenTables<'txn> {
    transaction: &'txn ::redb::WriteTransaction,
    tables: [Option<::redb::Table<'txn, &'static [u8], &'static [u8]>>; Keyspace::ALL.len()],
}

impl<'txn> OpenTables<'txn> {
    fn of(&mut self, keyspace: Keyspace) -> Result<&mut ::redb::Table<'txn, &'static [u8], &'static [u8]>, TableError> {
        let slot = &mut self.tables[keyspace as usize];
        match slot {
            Some(table) => Ok(table),
            None => Ok(slot.insert(self.transaction.open_table(table(keyspace))?)),
        }
    }

    fn apply(&mut self, batch: &Batch) -> Result<(), Refusal> {
        for (index, guard) in batch.guards.iter().enumerate() {
            let held = self.of(guard.keyspace)?.get(guard.key.as_slice())?;
            if held.as_ref().map(::redb::AccessGuard::value) != guard.expected.as_deref() {
                return Err(Refusal::Guard(index));
            }
        }
        self.write(&batch.writes)?;
        if let Some(transaction) = &batch.transaction {
            let mut view = OpenView { tables: self, failure: None };
            let decided = transaction.run(&mut view);
            let failure = view.failure;
            let writes =
                decided.map_err(|error| failure.unwrap_or_else(|| ::redb::Error::Io(std::io::Error::other(error))))?;
            self.write(&writes)?;
        }
        Ok(())
    }

    fn write(&mut self, writes: &[Write]) -> Result<(), ::redb::Error> {
        for write in writes {
            let table = self.of(write.keyspace)?;
            match &write.value {
                Some(value) => drop(table.insert(write.key.as_slice(), value.as_slice())?),
                None => drop(table.remove(write.key.as_slice())?),
            }
        }
        Ok(())
    }
}

/// A write transaction as it is read by what runs in it.
struct OpenView<'tables, 'txn> {
    tables: &'tables mut OpenTables<'txn>,
    failure: Option<::redb::Error>,
}

impl OpenView<'_, '_> {
    fn noting<T>(&mut self, read: Result<T, ::redb::Error>) -> Result<T, StoreError> {
        read.map_err(|error| {
            let said = StoreError::unavailable(format!("the store cannot be read within a commit: {error}"));
            self.failure.get_or_insert(error);
            said
        })
    }
}

impl View for OpenView<'_, '_> {
    fn get(&mut self, keyspace: Keyspace, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let read = self.tables.of(keyspace).map_err(::redb::Error::from);
        let read = read.and_then(|table| Ok(table.get(key)?.map(|value| value.value().to_vec())));
        self.noting(read)
    }

    fn scan(&mut self, scan: &Scan) -> Result<Vec<Row>, StoreError> {
        let read = self.tables.of(scan.keyspace).map_err(::redb::Error::from);
        let read = read.and_then(|table| rows(table, scan));
        self.noting(read)
    }
}

/// Applies the batches of a group, one after the other.
fn apply(transaction: &::redb::WriteTransaction, group: &mut Group<'_>) -> Result<(), ::redb::Error> {
    let mut tables = OpenTables { transaction, tables: Default::default() };
    while let Some(batch) = group.next_batch() {
        let applied = match tables.apply(batch) {
            Ok(()) => Ok(()),
            Err(Refusal::Guard(index)) => Err(index),
            Err(Refusal::Redb(error)) => return Err(error),
        };
        group.applied(applied);
    }
    Ok(())
}

impl SyncBackend for RedbBackend {
    fn get(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.reading(|snapshot| {
            let table = snapshot.open_table(table(keyspace))?;
            Ok(table.get(key)?.map(|value| value.value().to_vec()))
        })
    }

    fn get_many(&self, keyspace: Keyspace, keys: &[Vec<u8>]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        self.reading(|snapshot| {
            let table = snapshot.open_table(table(keyspace))?;
            keys.iter().map(|key| Ok(table.get(key.as_slice())?.map(|value| value.value().to_vec()))).collect()
        })
    }

    fn scan(&self, scan: &Scan) -> Result<Vec<Row>, StoreError> {
        self.reading(|snapshot| rows(&snapshot.open_table(table(scan.keyspace))?, scan))
    }

    fn scan_many(&self, scans: &[Scan]) -> Result<Vec<Vec<Row>>, StoreError> {
        self.reading(|snapshot| {
            let mut open: Option<(Keyspace, ReadTable)> = None;
            let mut answers = Vec::with_capacity(scans.len());
            for scan in scans {
                let table = match open.take() {
                    Some((keyspace, table)) if keyspace == scan.keyspace => table,
                    _ => snapshot.open_table(table(scan.keyspace))?,
                };
                answers.push(rows(&table, scan)?);
                open = Some((scan.keyspace, table));
            }
            Ok(answers)
        })
    }

    fn count(&self, scan: &Scan, except: &BTreeSet<Vec<u8>>) -> Result<u64, StoreError> {
        self.reading(|snapshot| {
            let table = snapshot.open_table(table(scan.keyspace))?;
            let mut counted = 0;
            for row in table.range::<&[u8]>((borrowed(&scan.lower), borrowed(&scan.upper)))? {
                counted += u64::from(!except.contains(row?.0.value()));
            }
            Ok(counted)
        })
    }

    fn commit_group(&self, group: &[&Batch]) -> Result<Vec<Result<(), usize>>, StoreError> {
        let mut group = Group::of(group);
        self.commit_and(&mut group, None)?;
        Ok(group.into_results())
    }

    fn commit_growing(&self, group: &mut Group<'_>) -> Result<Durable, StoreError> {
        // A small one is made durable sooner without another thread.
        self.commit_and(group, Some(SMALL))
    }

    fn sync(&self) -> Result<(), StoreError> {
        let Some(opened) = self.unsynced.lock().take() else { return Ok(()) };
        match opened.syncs.settle() {
            Ok(()) => {
                let mut readable = self.readable.lock();
                if matches!(*readable, Readable::Before(_)) {
                    *readable = Readable::Latest;
                }
                Ok(())
            }
            Err(error) => {
                let error = open::failure(&self.options.path, "write", &::redb::Error::Io(error));
                self.give_up(opened);
                Err(error)
            }
        }
    }

    fn backup(&self, to: &Path) -> Result<(), StoreError> {
        // Held as long as the snapshot, for the file cannot be opened again before.
        let opened = self.opened()?;
        let snapshot =
            self.snapshot(&opened.database).map_err(|error| open::failure(&self.options.path, "read", &error))?;
        backup::copy(&snapshot, to)
    }

    fn close(&self) {
        let opened = self.opened.write().take();
        *self.readable.lock() = Readable::Nothing;
        if let Some(opened) = opened.and_then(Arc::into_inner)
            && let Err(error) = opened.database.close()
        {
            tracing::warn!(%error, path = %self.options.path.display(), "the store was not closed cleanly");
        }
        self.owner.iter().for_each(OwnerNote::remove);
    }
}

#[cfg(test)]
mod tests;
