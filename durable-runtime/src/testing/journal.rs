//! Rows of journals, for those who test a store.

use crate::invocations::{JournalEntry, entry};
use crate::journal::codec;
use crate::journal::record::Record;

/// What a row of the keyspace [`Journal`](crate::store::Keyspace::Journal) says: one commit's part of one journal. Empty if it
/// cannot be read.
pub fn journal_entries(row: &[u8]) -> Vec<JournalEntry> {
    codec::decode::<Vec<Record>>(row).unwrap_or_default().iter().map(entry).collect()
}
