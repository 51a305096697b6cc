//! A disk in memory whose power can be cut, and whose calls can be made to fail.

use std::collections::BTreeMap;
use std::io;
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ::redb::{BackendError, StorageBackend};
use parking_lot::Mutex;

use super::super::medium::{Medium, Unsynced};
use super::super::{RedbBackend, RedbOptions, StoreError, open};
use crate::store::Keyspace;

/// All rows of a store.
pub(super) type Rows = BTreeMap<(Keyspace, Vec<u8>), Vec<u8>>;

/// What the world saw, among the calls of the disk.
#[derive(Clone, Debug)]
pub(super) enum Note {
    /// A group of batches is about to be committed; with it the store holds these rows.
    Committing(Arc<Rows>),
    /// The last group is acknowledged.
    Committed,
    /// After a commit that failed the store was opened again, and shows these rows.
    Found(Arc<Rows>),
    /// An attempt had its effect.
    Effect(Effect),
    /// A call is answered with this.
    Answered(usize, String),
}

/// The effect of one attempt.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Effect {
    pub(super) call: String,
    pub(super) label: &'static str,
    pub(super) attempt: u32,
}

/// One thing that happened, in the order of the disk.
#[derive(Clone, Debug)]
pub(super) enum Event {
    Write {
        offset: u64,
        data: Vec<u8>,
    },
    SetLen(u64),
    /// All before it is durable.
    Synced,
    /// What was written since the last sync may stay unwritten for ever.
    NotSynced,
    Noted(Note),
}

impl Event {
    /// Does to a file what the call did.
    pub(super) fn apply(&self, file: &mut Vec<u8>) {
        match self {
            Self::Write { offset, data } => write(file, *offset, data),
            Self::SetLen(len) => file.resize(index(*len), 0),
            Self::Synced | Self::NotSynced | Self::Noted(_) => {}
        }
    }
}

pub(super) fn write(file: &mut Vec<u8>, offset: u64, data: &[u8]) {
    let (begin, end) = (index(offset), index(offset) + data.len());
    if file.len() < end {
        file.resize(end, 0);
    }
    file[begin..end].copy_from_slice(data);
}

fn index(offset: u64) -> usize {
    usize::try_from(offset).expect("the file is in memory")
}

/// A kind of call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    Read,
    Write,
    SetLen,
    Sync,
}

/// Which calls fail, of those of one kind.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fault {
    pub(super) call: Call,
    /// The first one that fails, counted from 0.
    pub(super) first: u64,
    /// How many fail from there on.
    pub(super) times: u64,
    pub(super) error: io::ErrorKind,
}

/// Memory for cached parts of the disk, unless something else is said.
pub(super) const CACHE_BYTES: usize = 1 << 20;

#[derive(Debug, Default)]
struct State {
    file: Vec<u8>,
    events: Vec<Event>,
    fault: Option<Fault>,
    counts: [u64; 4],
    failed: u64,
    is_locked: bool,
    cache_bytes: usize,
    /// It ends with the power, as what it speaks of does.
    unsynced: Arc<Unsynced>,
}

/// The disk. Clones are the same one.
#[derive(Clone, Debug)]
pub(super) struct Disk(Arc<Mutex<State>>);

impl Disk {
    /// A disk that holds this file, and on which nothing has happened yet.
    pub(super) fn holding(file: Vec<u8>) -> Self {
        Self(Arc::new(Mutex::new(State { file, cache_bytes: CACHE_BYTES, ..State::default() })))
    }

    /// An empty disk whose calls fail so. Without a cache each read comes to the disk.
    pub(super) fn failing(fault: Option<Fault>, cache_bytes: usize) -> Self {
        Self(Arc::new(Mutex::new(State { fault, cache_bytes, ..State::default() })))
    }

    pub(super) fn note(&self, note: Note) {
        self.0.lock().events.push(Event::Noted(note));
    }

    pub(super) fn events(&self) -> Vec<Event> {
        self.0.lock().events.clone()
    }

    /// What a reader of the file sees now.
    pub(super) fn file(&self) -> Vec<u8> {
        self.0.lock().file.clone()
    }

    /// How many calls of this kind there were.
    pub(super) fn count(&self, call: Call) -> u64 {
        self.0.lock().counts[call as usize]
    }

    /// How many calls failed.
    pub(super) fn failed(&self) -> u64 {
        self.0.lock().failed
    }

    /// Another process comes, which knows this of the one before.
    pub(super) fn restart(&self, unsynced: Arc<Unsynced>) {
        self.0.lock().unsynced = unsynced;
    }

    /// Opens the store that the disk holds, or makes a new one, as a process does.
    pub(super) fn open(&self) -> Result<RedbBackend, StoreError> {
        let options = RedbOptions { cache_bytes: self.0.lock().cache_bytes, ..RedbOptions::new("disk.redb") };
        let (disk, unsynced) = (self.clone(), Arc::clone(&self.0.lock().unsynced));
        let open = move |options: &_| {
            let handle = Handle { disk: disk.clone(), locks: AtomicBool::new(false) };
            open::open_on(options, Medium::new(handle, Arc::clone(&unsynced)))
        };
        RedbBackend::open_by(options, Box::new(open))
    }
}

impl State {
    fn call(&mut self, call: Call) -> io::Result<()> {
        let number = self.counts[call as usize];
        self.counts[call as usize] += 1;
        match self.fault {
            Some(fault) if fault.call == call && (fault.first..fault.first + fault.times).contains(&number) => {
                self.failed += 1;
                Err(fault.error.into())
            }
            _ => Ok(()),
        }
    }

    fn happen(&mut self, event: Event) {
        event.apply(&mut self.file);
        self.events.push(event);
    }
}

/// The disk as one opening has it.
#[derive(Debug)]
struct Handle {
    disk: Disk,
    locks: AtomicBool,
}

impl StorageBackend for Handle {
    fn len(&self) -> io::Result<u64> {
        Ok(self.disk.0.lock().file.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let mut state = self.disk.0.lock();
        state.call(Call::Read)?;
        let begin = index(offset);
        let found = state.file.get(begin..begin + out.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(found);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.disk.0.lock();
        state.call(Call::SetLen)?;
        state.happen(Event::SetLen(len));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.disk.0.lock();
        let called = state.call(Call::Sync);
        state.happen(if called.is_ok() { Event::Synced } else { Event::NotSynced });
        called
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut state = self.disk.0.lock();
        let called = state.call(Call::Write);
        // What was written before an error stays.
        let written = if called.is_ok() { data } else { &data[..data.len() / 2] };
        state.happen(Event::Write { offset, data: written.to_vec() });
        called
    }

    fn close(&self) -> io::Result<()> {
        if self.locks.swap(false, Ordering::SeqCst) {
            self.disk.0.lock().is_locked = false;
        }
        Ok(())
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        if (start, end) != (Bound::Unbounded, Bound::Unbounded) {
            return Err(BackendError::Unsupported);
        }
        let was_locked = std::mem::replace(&mut self.disk.0.lock().is_locked, true);
        if !was_locked {
            self.locks.store(true, Ordering::SeqCst);
        }
        Ok(!was_locked)
    }
}

/// A process that is gone holds no lock.
impl Drop for Handle {
    fn drop(&mut self) {
        self.close().expect("this does not fail");
    }
}
