//! Writes that are not yet in the store, seen together with what is.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use crate::store::{Keyspace, Row, Scan, Store, StoreError, View};

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

    /// The writes of some keys.
    pub(crate) fn of(&self, keys: &[Vec<u8>]) -> Self {
        let written = keys.iter().filter_map(|key| self.rows.get_key_value(key));
        Self { rows: written.map(|(key, value)| (key.clone(), value.clone())).collect() }
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

/// The values of some keys, in their order, as they will be when the writes are committed.
pub(crate) async fn get_many(
    store: &dyn Store,
    over: Overlay,
    keys: Vec<Vec<u8>>,
) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
    let mut values = store.get_many(Keyspace::Table, keys.clone()).await?;
    for (value, key) in values.iter_mut().zip(&keys) {
        if let Some(written) = over.rows.get(key) {
            value.clone_from(written);
        }
    }
    Ok(values)
}

/// How many rows there will be within a scan's bounds when the writes are committed.
pub(crate) async fn count(store: &dyn Store, over: Overlay, scan: Scan) -> Result<u64, StoreError> {
    let put = over.rows.values().filter(|value| value.is_some()).count() as u64;
    // What is written over is not counted in the store, so it does not matter whether it is there.
    let except: BTreeSet<Vec<u8>> = over.rows.into_keys().collect();
    Ok(store.count(scan, except).await? + put)
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

    fn whole(descending: bool, limit: usize) -> Scan {
        Scan { keyspace: Keyspace::Table, lower: Bound::Unbounded, upper: Bound::Unbounded, descending, limit }
    }

    async fn keys(store: &dyn Store, over: &Overlay, descending: bool, limit: usize) -> Vec<String> {
        let whole = whole(descending, limit);
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

    #[tokio::test]
    async fn a_count_and_a_look_at_many_keys_see_the_writes() {
        let store = store_with(&["a", "b", "c"]).await;
        let mut over = Overlay::default();
        over.write(b"a".to_vec(), Some(b"new".to_vec()));
        over.write(b"b".to_vec(), None);
        over.write(b"d".to_vec(), Some(b"new".to_vec()));
        over.write(b"e".to_vec(), None);
        assert_eq!(count(&store, over.clone(), whole(false, 1)).await.expect("counted"), 3);
        let asked = ["d", "a", "x", "b", "c", "a"].map(|key| key.as_bytes().to_vec()).to_vec();
        let values = get_many(&store, over.of(&asked), asked).await.expect("read");
        let shown: Vec<_> =
            values.iter().map(|value| value.as_deref().map(|v| std::str::from_utf8(v).unwrap())).collect();
        assert_eq!(shown, [Some("new"), Some("new"), None, None, Some("stored"), Some("new")]);
    }
}
