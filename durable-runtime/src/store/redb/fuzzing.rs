//! Store files that something else has written into.

use std::ops::Bound;
use std::sync::LazyLock;

use super::tests::disk::Disk;
use super::{Keyspace, Scan, SyncBackend as _};
use crate::store::Batch;

/// A sound file, with rows in every keyspace.
static SOUND: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let disk = Disk::holding(Vec::new());
    let backend = disk.open().expect("a store");
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
    disk.file()
});

/// Changes to the sound file, of five bytes each: where, as three bytes, how often the fifth follows there, and that. A file
/// that is not to be used is refused, and one that seems sound is used.
pub(crate) fn store_file(data: &[u8]) {
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
    let Ok(backend) = Disk::holding(file).open() else { return };
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
