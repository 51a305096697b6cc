//! The reference model of a store: ordered maps in memory. For tests; nothing of it survives the process.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use parking_lot::RwLock;

use super::{Batch, Keyspace, Row, Scan, StoreError, SyncBackend, View, Write};

type Rows = BTreeMap<(Keyspace, Vec<u8>), Vec<u8>>;
type RowBound = Bound<(Keyspace, Vec<u8>)>;

/// Rows in memory. Clones have the same rows, so that a test can open a second store on what a first one left.
#[derive(Clone, Debug, Default)]
pub struct MemoryBackend {
    rows: Arc<RwLock<Rows>>,
}

/// The bound of a key within its keyspace, as a bound over all rows.
fn within(keyspace: Keyspace, bound: &Bound<Vec<u8>>, unbounded: RowBound) -> RowBound {
    match bound {
        Bound::Included(key) => Bound::Included((keyspace, key.clone())),
        Bound::Excluded(key) => Bound::Excluded((keyspace, key.clone())),
        Bound::Unbounded => unbounded,
    }
}

fn above(keyspace: Keyspace) -> RowBound {
    Keyspace::ALL
        .into_iter()
        .find(|other| *other > keyspace)
        .map_or(Bound::Unbounded, |next| Bound::Excluded((next, Vec::new())))
}

/// The bounds of a scan, as bounds over all rows.
fn bounds(scan: &Scan) -> (RowBound, RowBound) {
    let lower = within(scan.keyspace, &scan.lower, Bound::Included((scan.keyspace, Vec::new())));
    let upper = within(scan.keyspace, &scan.upper, above(scan.keyspace));
    (lower, upper)
}

fn found(rows: &Rows, scan: &Scan) -> Vec<Row> {
    let found = rows.range(bounds(scan)).map(|((_, key), value)| (key.clone(), value.clone()));
    if scan.descending { found.rev().take(scan.limit).collect() } else { found.take(scan.limit).collect() }
}

fn apply(rows: &mut Rows, writes: &[Write]) {
    for write in writes {
        let key = (write.keyspace, write.key.clone());
        match &write.value {
            Some(value) => rows.insert(key, value.clone()),
            None => rows.remove(&key),
        };
    }
}

impl View for Rows {
    fn get(&mut self, keyspace: Keyspace, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(BTreeMap::get(self, &(keyspace, key.to_vec())).cloned())
    }

    fn scan(&mut self, scan: &Scan) -> Result<Vec<Row>, StoreError> {
        Ok(found(self, scan))
    }
}

impl SyncBackend for MemoryBackend {
    fn get(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.rows.read().get(&(keyspace, key.to_vec())).cloned())
    }

    fn get_many(&self, keyspace: Keyspace, keys: &[Vec<u8>]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        let rows = self.rows.read();
        Ok(keys.iter().map(|key| rows.get(&(keyspace, key.clone())).cloned()).collect())
    }

    fn scan(&self, scan: &Scan) -> Result<Vec<Row>, StoreError> {
        Ok(found(&self.rows.read(), scan))
    }

    fn count(&self, scan: &Scan, except: &BTreeSet<Vec<u8>>) -> Result<u64, StoreError> {
        let rows = self.rows.read();
        Ok(rows.range(bounds(scan)).filter(|((_, key), _)| !except.contains(key)).count() as u64)
    }

    fn commit_group(&self, group: &[&Batch]) -> Result<Vec<Result<(), usize>>, StoreError> {
        let mut rows = self.rows.write();
        group
            .iter()
            .map(|batch| {
                let failed = batch.guards.iter().position(|guard| {
                    BTreeMap::get(&*rows, &(guard.keyspace, guard.key.clone())) != guard.expected.as_ref()
                });
                if let Some(index) = failed {
                    return Ok(Err(index));
                }
                apply(&mut rows, &batch.writes);
                if let Some(transaction) = &batch.transaction {
                    let writes = transaction.run(&mut *rows)?;
                    apply(&mut rows, &writes);
                }
                Ok(Ok(()))
            })
            .collect()
    }

    fn close(&self) {}
}
