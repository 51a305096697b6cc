//! Writes that are not yet in the store, seen together with what is.

use std::collections::BTreeMap;
use std::ops::Bound;

use crate::store::{Row, Scan, Store, StoreError, View};

/// Rows put (`Some`) and deleted (`None`), by their keys in the keyspace of tables.
#[derive(Clone, Debug, Default)]
pub(crate) struct Overlay {
    rows: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
}

impl Overlay {
    pub(crate) fn write(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) {
        self.rows.insert(key, value);
    }

    /// Lays later writes over these.
    pub(crate) fn extend(&mut self, later: Self) {
        self.rows.extend(later.rows);
    }

    /// What is written under a key, if anything is.
    pub(crate) fn get(&self, key: &[u8]) -> Option<&Option<Vec<u8>>> {
        self.rows.get(key)
    }

    pub(crate) fn clear(&mut self) {
        self.rows.clear();
    }

    pub(crate) fn into_rows(self) -> impl Iterator<Item = (Vec<u8>, Option<Vec<u8>>)> {
        self.rows.into_iter()
    }

    /// The writes that matter to a scan.
    pub(crate) fn within(&self, scan: &Scan) -> Self {
        Self {
            rows: self
                .rows
                .range((scan.lower.clone(), scan.upper.clone()))
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect(),
        }
    }
}

/// The first rows of a scan, as they will be when the writes are committed.
pub(crate) async fn scan(store: &dyn Store, over: Overlay, scan: Scan) -> Result<Vec<Row>, StoreError> {
    let (limit, descending) = (scan.limit, scan.descending);
    let stored = store.scan(enough(&over, scan)).await?;
    Ok(merged(stored, over, limit, descending))
}

/// The same within a commit.
pub(crate) fn scan_within(view: &mut dyn View, over: Overlay, scan: Scan) -> Result<Vec<Row>, StoreError> {
    let (limit, descending) = (scan.limit, scan.descending);
    let stored = view.scan(&enough(&over, scan))?;
    Ok(merged(stored, over, limit, descending))
}

/// Each write hides at most one stored row, so this many are enough, read at one moment.
fn enough(over: &Overlay, scan: Scan) -> Scan {
    Scan { limit: scan.limit.saturating_add(over.rows.len()), ..scan }
}

fn merged(stored: Vec<Row>, over: Overlay, limit: usize, descending: bool) -> Vec<Row> {
    if over.rows.is_empty() {
        return stored;
    }
    let mut rows: BTreeMap<Vec<u8>, Option<Vec<u8>>> =
        stored.into_iter().map(|(key, value)| (key, Some(value))).collect();
    rows.extend(over.rows);
    let present = rows.into_iter().filter_map(|(key, value)| value.map(|value| (key, value)));
    if descending {
        let present: Vec<Row> = present.collect();
        present.into_iter().rev().take(limit).collect()
    } else {
        present.take(limit).collect()
    }
}

/// Whether no key can be within the bounds. A store need not cope with such a scan.
pub(crate) fn is_empty(lower: &Bound<Vec<u8>>, upper: &Bound<Vec<u8>>) -> bool {
    match (lower, upper) {
        (Bound::Included(lower), Bound::Included(upper)) => lower > upper,
        (Bound::Included(lower) | Bound::Excluded(lower), Bound::Excluded(upper))
        | (Bound::Excluded(lower), Bound::Included(upper)) => lower >= upper,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Keyspace;
    use crate::store::{Batch, Commit, GroupCommit, MemoryBackend};

    async fn store_with(keys: &[&str]) -> GroupCommit<MemoryBackend> {
        let store = GroupCommit::new(MemoryBackend::default()).expect("a thread");
        let mut batch = Batch::default();
        for key in keys {
            batch.put(Keyspace::Table, *key, b"stored".to_vec());
        }
        store.commit(batch).await.expect("committed");
        store
    }

    async fn keys(store: &dyn Store, over: &Overlay, descending: bool, limit: usize) -> Vec<String> {
        let whole =
            Scan { keyspace: Keyspace::Table, lower: Bound::Unbounded, upper: Bound::Unbounded, descending, limit };
        scan(store, over.within(&whole), whole)
            .await
            .expect("read")
            .into_iter()
            .map(|(key, _)| String::from_utf8(key).expect("text"))
            .collect()
    }

    #[tokio::test]
    async fn a_scan_sees_the_writes_in_both_directions_and_keeps_its_limit() {
        let store = store_with(&["a", "b", "c", "d"]).await;
        let mut over = Overlay::default();
        over.write(b"b".to_vec(), None);
        over.write(b"bb".to_vec(), Some(b"new".to_vec()));
        over.write(b"d".to_vec(), None);
        assert_eq!(keys(&store, &over, false, 10).await, ["a", "bb", "c"]);
        assert_eq!(keys(&store, &over, true, 10).await, ["c", "bb", "a"]);
        assert_eq!(keys(&store, &over, false, 2).await, ["a", "bb"]);
        assert_eq!(keys(&store, &over, true, 2).await, ["c", "bb"]);
    }
}
