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
use parking_lot::{Condvar, Mutex};

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
pub(super) struct Medium<B>(Arc<Inner<B>>);

struct Inner<B> {
    backend: B,
    unsynced: Arc<Unsynced>,
    has_failed: AtomicBool,
    is_prepared: AtomicBool,
    owed: Mutex<Owed>,
    settled: Condvar,
}

/// The sync that redb takes for done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owed {
    None,
    /// The next one is put off.
    Next,
    /// It is put off.
    Sync,
    /// It is being made up for.
    Running,
    /// It failed, and the file is of no use before it is opened again.
    Failed,
}

/// Puts off the sync of a commit, so that it runs beside the work on the next one. Nothing is written to the file before it is made
/// up for: what is on the disk at any moment is the same as if it had not been put off.
pub(super) trait PutOff: Send + Sync {
    /// Puts off the next sync.
    fn put_off(&self) -> io::Result<()>;

    /// Makes up for it, if that has not happened.
    fn settle(&self) -> io::Result<()>;
}

impl<B: StorageBackend> PutOff for Inner<B> {
    fn put_off(&self) -> io::Result<()> {
        self.settle()?;
        *self.owed.lock() = Owed::Next;
        Ok(())
    }

    fn settle(&self) -> io::Result<()> {
        let mut owed = self.owed.lock();
        loop {
            match *owed {
                Owed::None => return Ok(()),
                // The commit ended without one.
                Owed::Next => {
                    *owed = Owed::None;
                    return Ok(());
                }
                Owed::Running => self.settled.wait(&mut owed),
                Owed::Failed => return Err(io::Error::other("a sync of the file failed")),
                Owed::Sync => break,
            }
        }
        *owed = Owed::Running;
        drop(owed);
        let synced = self.sync();
        *self.owed.lock() = if synced.is_ok() { Owed::None } else { Owed::Failed };
        self.settled.notify_all();
        synced
    }
}

impl<B> Medium<B> {
    pub(super) fn new(backend: B, unsynced: Arc<Unsynced>) -> Self {
        Self(Arc::new(Inner {
            backend,
            unsynced,
            has_failed: AtomicBool::new(false),
            is_prepared: AtomicBool::new(false),
            owed: Mutex::new(Owed::None),
            settled: Condvar::new(),
        }))
    }
}

impl<B: StorageBackend> Medium<B> {
    pub(super) fn syncs(&self) -> Arc<dyn PutOff> {
        Arc::clone(&self.0) as _
    }
}

impl<B: StorageBackend> Inner<B> {
    /// Before the file is changed.
    fn settle_first(&self) -> io::Result<()> {
        // A write of the commit whose own sync is the one to be put off.
        if *self.owed.lock() == Owed::Next { Ok(()) } else { self.settle() }
    }

    fn sync(&self) -> io::Result<()> {
        // What another thread writes meanwhile stays noted.
        let noted = self.unsynced.parts.lock().len();
        if let Err(error) = self.backend.sync_data() {
            self.has_failed.store(true, Ordering::Release);
            self.unsynced.sync_failed();
            return Err(error);
        }
        self.unsynced.synced(noted, self.has_failed.swap(false, Ordering::AcqRel));
        Ok(())
    }

    /// Done once, when redb holds the file's lock and has read nothing.
    fn prepare(&self) -> io::Result<()> {
        let len = self.backend.len()?;
        if is_unfinished(len, |offset, out| self.backend.read(offset, out))? {
            tracing::info!("the store's file was never finished; it is made anew");
            return self.backend.set_len(0);
        }
        let parts = self.unsynced.parts.lock().clone();
        if !parts.is_empty() {
            tracing::warn!(parts = parts.len(), "what a failed sync may have left unwritten is written again");
            self.has_failed.store(true, Ordering::Release);
            self.backend.set_len(len)?;
        }
        let mut piece = vec![0; PIECE];
        for (begin, written) in parts {
            let end = begin.saturating_add(written as u64).min(len);
            let mut at = begin;
            while at < end {
                let piece = &mut piece[..PIECE.min(usize::try_from(end - at).unwrap_or(PIECE))];
                self.backend.read(at, piece)?;
                self.backend.write(at, piece)?;
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
        self.0.backend.fmt(f)
    }
}

impl<B: StorageBackend> StorageBackend for Medium<B> {
    fn len(&self) -> io::Result<u64> {
        if !self.0.is_prepared.load(Ordering::Acquire) {
            self.0.prepare()?;
            self.0.is_prepared.store(true, Ordering::Release);
        }
        self.0.backend.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.backend.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.settle_first()?;
        self.0.unsynced.parts.lock().push((len, 0));
        self.0.backend.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        {
            let mut owed = self.0.owed.lock();
            if *owed == Owed::Next {
                *owed = Owed::Sync;
                return Ok(());
            }
        }
        self.0.settle()?;
        self.0.sync()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.settle_first()?;
        self.0.unsynced.parts.lock().push((offset, data.len()));
        self.0.backend.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        let settled = self.0.settle();
        self.0.backend.close().and(settled)
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.0.backend.try_lock_range(start, end)
    }

    fn try_lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.0.backend.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.backend.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.backend.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.backend.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.0.backend.query_lock_range(start, end)
    }
}
