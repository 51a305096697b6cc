//! A copy of a store that is in use: all of it as it was at one moment.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use ::redb::{Builder, Database, Durability, ReadTransaction, ReadableTable};

use super::open::failure;
use super::{Keyspace, StoreError, table};

/// Bytes of keys and values written in one transaction of the copy.
const PIECE_BYTES: usize = 4 << 20;
/// Memory for the copy's cached pages, in bytes.
const CACHE_BYTES: usize = 16 << 20;

/// Writes what a snapshot has into a new file. It gets its name when it is whole and on the disk.
pub(super) fn copy(snapshot: &ReadTransaction, to: &Path) -> Result<(), StoreError> {
    if to.try_exists().map_err(|error| failure(to, "write", &::redb::Error::Io(error)))? {
        return Err(StoreError::unusable(
            "backup_exists",
            format!("`{}` exists already, and was left as it is; name another file for the backup", to.display()),
        ));
    }
    let mut partial = to.as_os_str().to_owned();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    write(snapshot, &partial, to).map_err(|error| {
        // What is left of it is of no use, and may be what fills the disk.
        let _gone = fs::remove_file(&partial);
        failure(to, "write", &error)
    })
}

fn write(snapshot: &ReadTransaction, partial: &Path, to: &Path) -> Result<(), ::redb::Error> {
    match fs::remove_file(partial) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    let copy = Builder::new().set_cache_size(CACHE_BYTES).create(partial)?;
    for keyspace in Keyspace::ALL {
        copy_keyspace(snapshot, &copy, keyspace)?;
    }
    // The commits before are not durable by themselves.
    copy.begin_write()?.commit()?;
    copy.close()?;
    fs::rename(partial, to)?;
    let directory = to.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(directory.unwrap_or(Path::new(".")))?.sync_all()?;
    Ok(())
}

fn copy_keyspace(snapshot: &ReadTransaction, copy: &Database, keyspace: Keyspace) -> Result<(), ::redb::Error> {
    let source = snapshot.open_table(table(keyspace))?;
    let mut rows = source.iter()?;
    let mut is_last = false;
    while !is_last {
        let mut transaction = copy.begin_write()?;
        transaction.set_durability(Durability::None)?;
        {
            let mut target = transaction.open_table(table(keyspace))?;
            let mut bytes = 0;
            while bytes < PIECE_BYTES {
                let Some(row) = rows.next() else {
                    is_last = true;
                    break;
                };
                let (key, value) = row?;
                bytes += key.value().len() + value.value().len();
                target.insert(key.value(), value.value())?;
            }
        }
        transaction.commit()?;
    }
    Ok(())
}
