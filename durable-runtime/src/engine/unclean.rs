//! Unclean ends: runs that ended by a panic or with their process. They are counted, so that what kills the server is parked.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use super::Engine;
use super::admission::decoded;
use super::answer::Answer;
use super::invocation::journal_key;
use super::stored::Stored;
use crate::error::Error;
use crate::id::InvocationId;
use crate::journal::codec;
use crate::journal::record::Unfinished;
use crate::store::{Batch, Keyspace};

/// Which ends count, and which are still to be counted.
#[derive(Default)]
pub(super) struct UncleanEnds {
    /// The last opening of the store that came after a clean stop. What was counted before it is void.
    since: AtomicU64,
    /// The invocations that were running, as far as the store says, when the process before this one died. Each is counted when
    /// it is taken up: what does not run again before the next death is no part of that one. (What a start after a clean stop has
    /// not come to when the process dies, is counted for nothing, but not again: it runs before it can be.)
    uncounted: Mutex<HashSet<InvocationId>>,
}

impl UncleanEnds {
    /// From now on only what is counted in this opening, or later, counts.
    pub(super) fn count_since(&self, opening: u64) {
        self.since.store(opening, Ordering::Relaxed);
    }

    pub(super) fn count_later(&self, ids: impl IntoIterator<Item = InvocationId>) {
        self.uncounted.lock().extend(ids);
    }

    /// It is counted, or what ran does not go on.
    pub(super) fn need_not_count(&self, id: InvocationId) {
        self.uncounted.lock().remove(&id);
    }

    /// How many unclean ends in a row a row says that still count, and how many rows the journal had at the last one.
    pub(super) fn standing(&self, row: &Unfinished) -> (u32, u32) {
        let since = self.since.load(Ordering::Relaxed);
        match *row {
            Unfinished::Suspect { unclean_ends, rows_then } => (unclean_ends, rows_then),
            Unfinished::Unclean { unclean_ends, rows_then, opening } if opening >= since => (unclean_ends, rows_then),
            // So earlier releases counted, which did not say when.
            Unfinished::Running { unclean_ends, rows_then, .. } if since == 0 => (unclean_ends, rows_then),
            _ => (0, 0),
        }
    }
}

impl Engine {
    /// Counts a run that ended without a word, durably; gives the answer if the invocation is parked for it.
    pub(super) async fn count_unclean_end(&self, id: InvocationId, how: &str) -> Result<Option<Answer>, Error> {
        let Some(row) = self.surroundings.store.get(Keyspace::Unfinished, id.as_bytes().to_vec()).await? else {
            return Ok(None);
        };
        let rows = self.journal_rows(id).await?;
        Ok(match self.count(id, row, rows, how).await? {
            Some((Unfinished::Parked { code, reason, .. }, _)) => Some(Answer::Parked { code, reason }),
            _ => None,
        })
    }

    /// Counts the death of the last process, durably, if this invocation was running then. Of one that is in the directory, before
    /// it runs.
    pub(super) async fn count_death(&self, id: InvocationId, read: &mut Option<Stored>) -> Result<(), Error> {
        if !self.unclean_ends.uncounted.lock().contains(&id) {
            return Ok(());
        }
        let row = match &read {
            Some(read) => Some(read.row.clone()),
            None => self.surroundings.store.get(Keyspace::Unfinished, id.as_bytes().to_vec()).await?,
        };
        if let Some(row) = row
            && !self.is_counted(&decoded(&row)?)
        {
            let rows = match &read {
                Some(read) => read.rows(),
                None => self.journal_rows(id).await?,
            };
            let counted = self.count(id, row, rows, "the server died while it ran").await?;
            if let (Some(read), Some((_, row))) = (read, counted) {
                read.row = row;
            }
        }
        self.unclean_ends.need_not_count(id);
        Ok(())
    }

    /// Whether this opening has counted already: the answer of that commit was lost.
    fn is_counted(&self, row: &Unfinished) -> bool {
        matches!(row, Unfinished::Unclean { opening, .. } if *opening == self.opening())
    }

    /// Counts an end of an invocation with this row, durably; gives the new row, if it is one of those that are counted.
    async fn count(
        &self,
        id: InvocationId,
        row: Vec<u8>,
        rows: u32,
        how: &str,
    ) -> Result<Option<(Unfinished, Vec<u8>)>, Error> {
        let unfinished = decoded(&row)?;
        if matches!(unfinished, Unfinished::Parked { .. } | Unfinished::Suspended { .. }) {
            return Ok(None);
        }
        let counted = self.counted(&unfinished, rows, how);
        if matches!(counted, Unfinished::Parked { .. }) {
            tracing::warn!(invocation = %id, "an invocation is parked: its runs end uncleanly");
        }
        let (key, counted_row) = (id.as_bytes().to_vec(), codec::encode(&counted));
        let mut batch = Batch::default();
        batch.guard(Keyspace::Unfinished, key.clone(), Some(row));
        // What the process before added since the journal was read would be written over.
        batch.guard(Keyspace::Journal, journal_key(id, rows), None);
        batch.put(Keyspace::Unfinished, key, counted_row.clone());
        self.commit(batch).await?;
        Ok(Some((counted, counted_row)))
    }

    /// A row with one unclean end more; from the first again if the journal has grown since the last one.
    pub(super) fn counted(&self, row: &Unfinished, rows: u32, how: &str) -> Unfinished {
        let (before, rows_then) = self.unclean_ends.standing(row);
        let unclean_ends = if rows > rows_then { 1 } else { before + 1 };
        if unclean_ends < self.surroundings.limits.unclean_ends {
            return Unfinished::Unclean { unclean_ends, rows_then: rows, opening: self.opening() };
        }
        Unfinished::Parked {
            code: "unclean_ends".into(),
            reason: format!(
                "{unclean_ends} runs in a row ended uncleanly without anything new in the journal, the last time because {how}"
            ),
            at: self.surroundings.clock.now().as_millis(),
        }
    }
}
