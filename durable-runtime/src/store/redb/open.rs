//! Opening a store file: what is accepted, and what is refused and why. Nothing is written to a file that is refused.

use std::fs;
use std::io::{self, Read as _, Seek as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use ::redb::backends::FileBackend;
use ::redb::{Database, DatabaseError, ReadableDatabase, StorageBackend, TableError};

use super::medium::{Medium, REDB_MAGIC, Unsynced, is_unfinished};
use super::owner::OwnerNote;
use super::{Keyspace, Opened, RedbOptions, StoreError, table};

/// The version of what this release writes into the file, in the row `format` of the keyspace `meta`.
const FORMAT_VERSION: u32 = 1;
const FORMAT_KEY: &[u8] = b"format";

pub(super) fn open(options: &RedbOptions, unsynced: &Arc<Unsynced>) -> Result<Opened, StoreError> {
    let path = &options.path;
    refuse_what_is_no_store(path)?;
    refuse_unread(path)?;
    let file = fs::File::options().read(true).write(true).create(true).truncate(false).open(path);
    let file = file.and_then(|file| {
        if file.metadata()?.len() == 0 {
            sync_directory_of(path)?;
        }
        Ok(file)
    });
    let file = file.map_err(|error| failure(path, "open", &::redb::Error::Io(error)))?;
    let backend = FileBackend::new(file).map_err(|error| failure(path, "open", &error.into()))?;
    open_on(options, Medium::new(backend, Arc::clone(unsynced)))
}

/// A file that is new is there after a power cut only if its directory was synced.
fn sync_directory_of(path: &Path) -> io::Result<()> {
    if cfg!(not(unix)) {
        return Ok(());
    }
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::File::open(directory)?.sync_all()
}

/// Opens what is on this medium, which the path only names.
pub(super) fn open_on(options: &RedbOptions, medium: Medium<impl StorageBackend>) -> Result<Opened, StoreError> {
    let syncs = medium.syncs();
    let path = &options.path;
    let mut builder = Database::builder();
    builder.set_cache_size(options.cache_bytes);
    // redb may panic over a file that something else has written into.
    let opened = catch_unwind(AssertUnwindSafe(|| builder.create_with_backend(medium)));
    let database = match opened {
        Ok(Ok(database)) => database,
        Ok(Err(DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch)) => return Err(held(path)),
        Ok(Err(error)) => return Err(failure(path, "open", &error.into())),
        Err(_) => return Err(damaged(path, "redb could not make sense of it")),
    };
    match check_format(&database, path) {
        Ok(()) => Ok(Opened { database, syncs }),
        Err(refused) => {
            drop(database);
            Err(refused)
        }
    }
}

fn refuse_what_is_no_store(path: &Path) -> Result<(), StoreError> {
    let shown = path.display();
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => Err(StoreError::unusable(
            "store_not_a_file",
            format!("`{shown}` is a directory; name a file in it as the store"),
        )),
        Ok(found) if found.len() > 0 => match is_store(path, found.len()) {
            Ok(true) => Ok(()),
            Ok(false) => Err(foreign(path)),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(foreign(path)),
            Err(error) => Err(failure(path, "open", &::redb::Error::Io(error))),
        },
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
            match directory {
                Some(directory) if !directory.is_dir() => Err(StoreError::unusable(
                    "store_directory_missing",
                    format!(
                        "the directory `{}` of the store `{shown}` does not exist; make it, or name another store",
                        directory.display()
                    ),
                )),
                _ => Ok(()),
            }
        }
        Err(error) => Err(failure(path, "open", &::redb::Error::Io(error))),
    }
}

/// Whether a file begins as stores do, or is one whose making was cut off.
fn is_store(path: &Path, len: u64) -> io::Result<bool> {
    let file = fs::File::open(path)?;
    let read = |offset, out: &mut [u8]| {
        (&file).seek(io::SeekFrom::Start(offset))?;
        (&file).read_exact(out)
    };
    let begins = || {
        let mut first = [0; REDB_MAGIC.len()];
        read(0, &mut first).map(|()| first == REDB_MAGIC)
    };
    // Another process that is just making it may have come to its beginning meanwhile.
    Ok(begins()? || is_unfinished(len, read)? || begins()?)
}

fn foreign(path: &Path) -> StoreError {
    StoreError::unusable(
        "store_foreign",
        format!(
            "`{}` is not a store of this framework, and was left as it is; name another file as the store",
            path.display()
        ),
    )
}

pub(super) fn damaged(path: &Path, how: &str) -> StoreError {
    StoreError::unusable(
        "store_damaged",
        format!(
            "the store `{}` is damaged ({how}); restore it from a backup, or move it away to start with an empty one",
            path.display()
        ),
    )
}

fn held(path: &Path) -> StoreError {
    let holder = OwnerNote::read(path).map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"));
    StoreError::unusable(
        "store_held",
        format!(
            "the store `{}` is in use by {holder}; stop that server first, or give this one a store of its own",
            path.display()
        ),
    )
}

/// What a failure of redb means for whoever started the server.
pub(super) fn failure(path: &Path, doing: &str, error: &::redb::Error) -> StoreError {
    let shown = path.display();
    match error {
        ::redb::Error::Io(io) if io.kind() == io::ErrorKind::PermissionDenied => StoreError::unusable(
            "store_not_permitted",
            format!(
                "no permission to {doing} the store `{shown}`; give the server's user the right to write there ({io})"
            ),
        ),
        ::redb::Error::Io(io) if io.kind() == io::ErrorKind::ReadOnlyFilesystem => StoreError::unusable(
            "store_not_permitted",
            format!("cannot {doing} the store `{shown}`: its file system is read-only ({io})"),
        ),
        ::redb::Error::Io(io)
            if matches!(
                io.kind(),
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
            ) =>
        {
            StoreError::unavailable(format!(
                "cannot {doing} the store `{shown}`: no room is left for it; free some, and it goes on ({io})"
            ))
        }
        ::redb::Error::Io(io) if io.kind() == io::ErrorKind::InvalidData => foreign(path),
        ::redb::Error::Corrupted(how) => damaged(path, how),
        ::redb::Error::UpgradeRequired(version) => StoreError::unusable(
            "store_format_older",
            format!(
                "the store `{shown}` has redb's file format {version}, which is no longer read; migrate it with the release that wrote it"
            ),
        ),
        other => StoreError::unavailable(format!("cannot {doing} the store `{shown}`: {other}")),
    }
}

/// Refuses what this release does not read before redb writes into it, which it does to every file that it opens to write. What was
/// not closed cleanly can be looked at only after that: redb mends it, and leaves what is in it as it is.
fn refuse_unread(path: &Path) -> Result<(), StoreError> {
    let look = || -> Option<Option<Vec<u8>>> {
        let mut builder = Database::builder();
        builder.set_cache_size(1 << 20);
        found_format(&builder.open_read_only(path).ok()?).ok()
    };
    match catch_unwind(AssertUnwindSafe(look)) {
        Ok(Some(Some(version))) => refuse_format(version, path),
        // What keeps it from being looked at, is said when it is opened.
        Ok(Some(None) | None) | Err(_) => Ok(()),
    }
}

/// The format version; `None` in a file without any table, for that one is new.
fn found_format(database: &impl ReadableDatabase) -> Result<Option<Vec<u8>>, ::redb::Error> {
    let transaction = database.begin_read()?;
    match transaction.open_table(table(Keyspace::Meta)) {
        Ok(meta) => Ok(Some(meta.get(FORMAT_KEY)?.map(|row| row.value().to_vec()).unwrap_or_default())),
        Err(TableError::TableDoesNotExist(_)) => {
            let is_new = transaction.list_tables()?.next().is_none();
            Ok(if is_new { None } else { Some(Vec::new()) })
        }
        Err(TableError::TableTypeMismatch { .. }) => Ok(Some(Vec::new())),
        Err(error) => Err(error.into()),
    }
}

/// Reads the format version; writes it into a file that is new.
fn check_format(database: &Database, path: &Path) -> Result<(), StoreError> {
    let found = catch_unwind(AssertUnwindSafe(|| found_format(database)))
        .map_err(|_| damaged(path, "redb could not read its first table"))?
        .map_err(|error| failure(path, "open", &error))?;
    match found {
        Some(version) => {
            refuse_format(version, path)?;
            add_missing_tables(database).map_err(|error| failure(path, "write", &error))
        }
        None => initialise(database).map_err(|error| failure(path, "write", &error)),
    }
}

fn refuse_format(version: Vec<u8>, path: &Path) -> Result<(), StoreError> {
    let Ok(version) = <[u8; 4]>::try_from(version).map(u32::from_be_bytes) else {
        return Err(foreign(path));
    };
    if version > FORMAT_VERSION {
        return Err(StoreError::unusable(
            "store_format_newer",
            format!(
                "the store `{}` has format {version}, and this release knows formats up to {FORMAT_VERSION}; start the \
                 release that wrote it, or a newer one",
                path.display()
            ),
        ));
    }
    Ok(())
}

/// Makes the tables of keyspaces that the release that wrote the file did not have.
fn add_missing_tables(database: &Database) -> Result<(), ::redb::Error> {
    let there = database.begin_read()?.list_tables()?.count();
    if there >= Keyspace::ALL.len() {
        return Ok(());
    }
    let transaction = database.begin_write()?;
    for keyspace in Keyspace::ALL {
        transaction.open_table(table(keyspace))?;
    }
    transaction.commit()?;
    Ok(())
}

fn initialise(database: &Database) -> Result<(), ::redb::Error> {
    let transaction = database.begin_write()?;
    for keyspace in Keyspace::ALL {
        transaction.open_table(table(keyspace))?;
    }
    transaction.open_table(table(Keyspace::Meta))?.insert(FORMAT_KEY, FORMAT_VERSION.to_be_bytes().as_slice())?;
    transaction.commit()?;
    Ok(())
}
