//! Store files that something else has written into.

use std::io;
use std::ops::Bound;
use std::sync::{Arc, LazyLock};

use ::redb::{BackendError, StorageBackend};
use parking_lot::Mutex;

use super::medium::{Medium, Unsynced};
use super::{Keyspace, RedbBackend, RedbOptions, Scan, StoreError, SyncBackend as _, open};
use crate::store::Batch;

/// The disk has no more room.
const LARGEST: u64 = 1 << 28;

/// A file in memory. Clones are the same one.
#[derive(Clone, Debug)]
struct File(Arc<Mutex<Vec<u8>>>);

impl File {
    fn holding(bytes: Vec<u8>) -> Self {
        Self(Arc::new(Mutex::new(bytes)))
    }

    fn open(&self) -> Result<RedbBackend, StoreError> {
        let file = self.clone();
        let open = move |options: &_| open::open_on(options, Medium::new(file.clone(), Arc::new(Unsynced::default())));
        RedbBackend::open_by(RedbOptions { cache_bytes: 1 << 20, ..RedbOptions::new("fuzzed.redb") }, Box::new(open))
    }
}

fn index(offset: u64) -> usize {
    usize::try_from(offset).expect("the file is in memory")
}

impl StorageBackend for File {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.lock().len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let file = self.0.lock();
        let end = index(offset).checked_add(out.len());
        let found = end.and_then(|end| file.get(index(offset)..end)).ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(found);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        if len > LARGEST {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.0.lock().resize(index(len), 0);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut file = self.0.lock();
        let (begin, end) = (index(offset), index(offset) + data.len());
        if file.len() < end {
            file.resize(end, 0);
        }
        file[begin..end].copy_from_slice(data);
        Ok(())
    }

    fn try_lock_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<bool, BackendError> {
        Ok(true)
    }
}

/// A sound file, with rows in every keyspace.
static SOUND: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let file = File::holding(Vec::new());
    let backend = file.open().expect("a store");
    for round in 0..4_u8 {
        let mut batch = Batch::default();
        for keyspace in Keyspace::ALL.into_iter().filter(|keyspace| *keyspace != Keyspace::Meta) {
            for row in 0..40_u8 {
                batch.put(keyspace, [row, round], vec![row; usize::from(row) * 20]);
            }
        }
        backend.commit_group(&[&batch]).expect("committed");
    }
    backend.close();
    std::mem::take(&mut *file.0.lock())
});

/// Changes to the sound file, of five bytes each: where, as three bytes, how often the fifth follows there, and that. A file
/// that is not to be used is refused, and one that seems sound is used.
pub fn store_file(data: &[u8]) {
    let mut file = SOUND.clone();
    for change in data.chunks_exact(5).take(32) {
        let at = usize::from(change[0]) << 16 | usize::from(change[1]) << 8 | usize::from(change[2]);
        let at = at % file.len();
        let end = file.len().min(at + 1 + usize::from(change[3]));
        file[at..end].fill(change[4]);
    }
    if data.len() % 5 == 1 {
        file.truncate(file.len() * usize::from(data[data.len() - 1]) / 255);
    }
    let Ok(backend) = File::holding(file).open() else { return };
    for keyspace in Keyspace::ALL {
        let (lower, upper) = (Bound::Unbounded, Bound::Unbounded);
        let _read = backend.scan(&Scan { keyspace, lower, upper, descending: false, limit: usize::MAX });
        let _read = backend.get(keyspace, &[7, 1]);
    }
    let mut batch = Batch::default();
    batch.put(Keyspace::Table, [1], vec![1; 5000]);
    let _written = backend.commit_group(&[&batch]);
    backend.close();
}
