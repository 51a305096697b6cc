//! What lies between redb and the file: it takes care of what redb leaves to the system.
//!
//! - A file whose making was cut off, by a power cut, has no beginning that redb knows. It never held anything, and is made
//!   anew.
//! - After a sync that failed the system may hold what was written for clean, and never write it out, while readers go on
//!   seeing it. A store that is opened again would build on that, so what was written since the last good sync is written once
//!   more first. A process that comes later does not know what that is, and writes the whole file; a file beside the store
//!   tells it to.

use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::io;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ::redb::{BackendError, StorageBackend};
use parking_lot::Mutex;

/// The first bytes of every redb file.
pub(super) const REDB_MAGIC: &[u8] = b"redb\x1a\x0a\xa9\x0d\x0a";

/// The longest file that can be one whose making was cut off: somewhat more than what redb makes at first.
const UNFINISHED_AT_MOST: u64 = 4 << 20;

/// Bytes that are read and written at once.
const PIECE: usize = 1 << 20;

/// What redb writes of its header before the file is valid.
const HEADER: u64 = 512;

/// What of a file may not be on the disk, over all its openings in this process.
#[derive(Debug, Default)]
pub(super) struct Unsynced {
    /// Where it was written to since it was last synced; a change of its length is a part of length 0.
    parts: Mutex<Vec<(u64, usize)>>,
    /// The file that is there from a sync that failed to one that does not.
    mark: Option<PathBuf>,
}

impl Unsynced {
    /// That of a store's file.
    pub(super) fn of(store: &Path) -> Arc<Self> {
        let mut name = OsString::from(store);
        name.push(".unsynced");
        let mark = PathBuf::from(name);
        let parts = if mark.exists() { vec![(0, usize::MAX)] } else { Vec::new() };
        Arc::new(Self { parts: Mutex::new(parts), mark: Some(mark) })
    }

    fn sync_failed(&self) {
        // It need not outlive more than what it speaks of, which is in the system's memory like itself.
        if let Some(mark) = &self.mark
            && let Err(error) = fs::write(mark, "")
        {
            tracing::warn!(%error, path = %mark.display(), "a failed sync could not be marked");
        }
    }

    fn synced(&self, parts: usize, after_failure: bool) {
        self.parts.lock().drain(..parts);
        if after_failure && let Some(mark) = &self.mark {
            // If it stays, the next opening writes more than it needs to.
            let _stays = fs::remove_file(mark);
        }
    }
}

/// A file, or what a test has in its place.
pub(super) struct Medium<B> {
    inner: B,
    unsynced: Arc<Unsynced>,
    has_failed: AtomicBool,
    is_prepared: AtomicBool,
}

impl<B> Medium<B> {
    pub(super) fn new(inner: B, unsynced: Arc<Unsynced>) -> Self {
        let (has_failed, is_prepared) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { inner, unsynced, has_failed, is_prepared }
    }
}

impl<B: StorageBackend> Medium<B> {
    /// Done once, when redb holds the file's lock and has read nothing.
    fn prepare(&self) -> io::Result<()> {
        let len = self.inner.len()?;
        if is_unfinished(len, |offset, out| self.inner.read(offset, out))? {
            tracing::info!("the store's file was never finished; it is made anew");
            return self.inner.set_len(0);
        }
        let parts = self.unsynced.parts.lock().clone();
        if !parts.is_empty() {
            tracing::warn!(parts = parts.len(), "what a failed sync may have left unwritten is written again");
            self.has_failed.store(true, Ordering::Release);
            self.inner.set_len(len)?;
        }
        let mut piece = vec![0; PIECE];
        for (begin, written) in parts {
            let end = begin.saturating_add(written as u64).min(len);
            let mut at = begin;
            while at < end {
                let piece = &mut piece[..PIECE.min(usize::try_from(end - at).unwrap_or(PIECE))];
                self.inner.read(at, piece)?;
                self.inner.write(at, piece)?;
                at += piece.len() as u64;
            }
        }
        Ok(())
    }
}

/// Whether a file is one whose making was cut off: it has no beginning, and nothing but zeros behind its header.
pub(super) fn is_unfinished(len: u64, read: impl Fn(u64, &mut [u8]) -> io::Result<()>) -> io::Result<bool> {
    if !(REDB_MAGIC.len() as u64..=UNFINISHED_AT_MOST).contains(&len) {
        return Ok(false);
    }
    let mut magic = [0; REDB_MAGIC.len()];
    read(0, &mut magic)?;
    if magic.iter().any(|byte| *byte != 0) {
        return Ok(false);
    }
    let mut rest = vec![0; usize::try_from(len.saturating_sub(HEADER)).unwrap_or_default()];
    if !rest.is_empty() {
        read(HEADER, &mut rest)?;
    }
    Ok(rest.iter().all(|byte| *byte == 0))
}

impl<B: fmt::Debug> fmt::Debug for Medium<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl<B: StorageBackend> StorageBackend for Medium<B> {
    fn len(&self) -> io::Result<u64> {
        if !self.is_prepared.load(Ordering::Acquire) {
            self.prepare()?;
            self.is_prepared.store(true, Ordering::Release);
        }
        self.inner.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.inner.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.unsynced.parts.lock().push((len, 0));
        self.inner.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        // What another thread writes meanwhile stays noted.
        let noted = self.unsynced.parts.lock().len();
        if let Err(error) = self.inner.sync_data() {
            self.has_failed.store(true, Ordering::Release);
            self.unsynced.sync_failed();
            return Err(error);
        }
        self.unsynced.synced(noted, self.has_failed.swap(false, Ordering::AcqRel));
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.unsynced.parts.lock().push((offset, data.len()));
        self.inner.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.inner.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.inner.try_lock_range(start, end)
    }

    fn try_lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.inner.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.inner.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.inner.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.inner.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.inner.query_lock_range(start, end)
    }
}
