//! Retention: what is forgotten some time after the end of an invocation, in small pieces beside the load.
//!
//! Every invocation that has ended has a row under the time of its end. Two things walk along these rows: the first deletes
//! journals, and remembers in the store how far it has come; the second, later, deletes results, idempotency keys and the rows
//! themselves.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use super::Engine;
use super::admission::decoded;
use super::invocation::journal_key;
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind};
use crate::id::InvocationId;
use crate::journal::codec;
use crate::journal::record::{Admission, Ended, KeyUse};
use crate::store::{Batch, CommitError, Keyspace, Row, Scan};

/// How often what is old is looked for.
const SWEEP: Duration = Duration::from_secs(10);
/// Ended invocations looked at at once. Under load a read waits for its turn, and must be worth it.
const PAGE: usize = 1000;
/// Rows deleted in one commit, more or less, so that cleaning up does not hold up calls.
const PIECE: usize = 1000;

/// In the keyspace `meta`: the row of the last ended invocation whose journal is deleted.
const JOURNALS_DELETED: &[u8] = b"journals_deleted";

/// Puts the result of an invocation, and the row by which it is forgotten some time later, with its journal of so many rows
/// and the idempotency key that it was called with.
pub(super) fn put_result(
    batch: &mut Batch,
    id: InvocationId,
    ended: &Ended,
    journal_rows: u32,
    key_row: Option<&[u8]>,
) {
    batch.put(Keyspace::Result, id.as_bytes().to_vec(), codec::encode(ended));
    let mut key = ended.at.to_be_bytes().to_vec();
    key.extend_from_slice(id.as_bytes());
    let mut value = journal_rows.to_be_bytes().to_vec();
    value.extend_from_slice(key_row.unwrap_or_default());
    batch.put(Keyspace::Retention, key, value);
}

/// An invocation that has ended, as its row says.
struct EndedInvocation {
    row: Vec<u8>,
    at: u64,
    id: InvocationId,
    journal_rows: u32,
    /// The row of the idempotency key that it was called with.
    key_row: Option<Vec<u8>>,
}

impl EndedInvocation {
    fn read((row, value): Row) -> Result<Self, Error> {
        let read = || {
            let (at, id) = row.split_first_chunk::<8>()?;
            let (journal_rows, key_row) = value.split_first_chunk::<4>()?;
            Some(Self {
                at: u64::from_be_bytes(*at),
                id: InvocationId::from_bytes(id.try_into().ok()?),
                journal_rows: u32::from_be_bytes(*journal_rows),
                key_row: Some(key_row.to_vec()).filter(|key_row| !key_row.is_empty()),
                row: row.clone(),
            })
        };
        read().ok_or_else(|| {
            Error::new(ErrorKind::AskPerson, "record_unreadable", "the row of an ended invocation cannot be read")
        })
    }
}

/// What a sweep has deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Swept {
    pub(super) journals: usize,
    pub(super) results: usize,
}

/// A sweep that is under way.
struct Sweep {
    /// After the last one whose journal is deleted.
    journals_from: Bound<Vec<u8>>,
    /// Journals beyond the number that is kept.
    too_many: usize,
    swept: Swept,
}

impl Sweep {
    /// Whether its journal is still there, if the clock was not set back.
    fn has_journal(&self, ended: &EndedInvocation) -> bool {
        match &self.journals_from {
            Bound::Excluded(last) => ended.row > *last,
            _ => true,
        }
    }
}

impl Engine {
    /// The row of the idempotency key that an invocation was called with.
    pub(super) fn key_row_of(&self, admission: &Admission) -> Option<Vec<u8>> {
        let key = admission.idempotency_key.as_deref()?;
        let source = self.tools.get(&admission.tool).and_then(|registered| registered.definition.idempotency);
        let is_derived = source.is_some_and(|source| source.made(key));
        Some(super::key::key_row(&admission.principal, &admission.tool, key, is_derived))
    }

    /// Whether a key may be used anew: its invocation ended long enough ago.
    pub(super) async fn is_over(&self, used: &KeyUse) -> Result<bool, Error> {
        let Some(ended) = self.surroundings.store.get(Keyspace::Result, used.invocation.to_vec()).await? else {
            return Ok(false);
        };
        let ended: Ended = decoded(&ended)?;
        Ok(self.is_past(ended.at, self.surroundings.limits.key_retention))
    }

    fn is_past(&self, ended_at: u64, kept: Duration) -> bool {
        Timestamp::from_millis(ended_at).after(kept) <= self.surroundings.clock.now()
    }

    /// Forgets what is old now and then, until the server stops.
    pub(super) fn watch_retention(self: &Arc<Self>) {
        let engine = Arc::clone(self);
        self.in_background(async move {
            loop {
                tokio::time::sleep(SWEEP).await;
                match engine.sweep().await {
                    Ok(swept) if swept == Swept::default() => {}
                    Ok(swept) => tracing::debug!(swept.journals, swept.results, "what was old is deleted"),
                    Err(error) => tracing::warn!(%error, "what is old could not be deleted"),
                }
            }
        });
    }

    /// Deletes what is old.
    pub(super) async fn sweep(&self) -> Result<Swept, Error> {
        let mut sweep = self.begin_sweep().await?;
        loop {
            // With a result its journal goes too. So results never wait for journals, which under a load may have no end.
            while self.sweep_results(&mut sweep).await? {}
            if !self.sweep_journals(&mut sweep).await? {
                return Ok(sweep.swept);
            }
        }
    }

    async fn begin_sweep(&self) -> Result<Sweep, Error> {
        let store = &self.surroundings.store;
        let journals_from = match store.get(Keyspace::Meta, JOURNALS_DELETED.to_vec()).await? {
            Some(last) => Bound::Excluded(last),
            None => Bound::Unbounded,
        };
        let kept = store.count(ended_invocations(journals_from.clone()), BTreeSet::new()).await?;
        let too_many = usize::try_from(kept).unwrap_or(usize::MAX).saturating_sub(self.surroundings.limits.journals);
        Ok(Sweep { journals_from, too_many, swept: Swept::default() })
    }

    /// Deletes journals of calls that ended long ago, and of those beyond the number that is kept: a page. Returns whether there
    /// may be more.
    async fn sweep_journals(&self, sweep: &mut Sweep) -> Result<bool, Error> {
        let limits = &self.surroundings.limits;
        let kept_for = limits.journal_retention.min(limits.result_retention);
        let page = self.surroundings.store.scan(ended_invocations(sweep.journals_from.clone())).await?;
        let is_full = page.len() == PAGE;
        let mut batch = Batch::default();
        let mut last = None;
        for row in page {
            let ended = EndedInvocation::read(row)?;
            if sweep.too_many == 0 && !self.is_past(ended.at, kept_for) {
                self.end_journals(sweep, batch, last).await?;
                return Ok(false);
            }
            self.delete_journal(&ended, &mut batch).await?;
            sweep.too_many = sweep.too_many.saturating_sub(1);
            sweep.swept.journals += 1;
            last = Some(ended.row);
            if batch.writes.len() >= PIECE {
                self.end_journals(sweep, std::mem::take(&mut batch), last.take()).await?;
            }
        }
        self.end_journals(sweep, batch, last).await?;
        Ok(is_full)
    }

    /// Commits deletions of journals, up to that of the last one.
    async fn end_journals(&self, sweep: &mut Sweep, mut batch: Batch, last: Option<Vec<u8>>) -> Result<(), Error> {
        let Some(last) = last else { return Ok(()) };
        batch.put(Keyspace::Meta, JOURNALS_DELETED, last.clone());
        self.commit(batch).await?;
        sweep.journals_from = Bound::Excluded(last);
        Ok(())
    }

    /// Lets a batch delete the journal of an invocation; when that is much, a part is deleted before.
    async fn delete_journal(&self, ended: &EndedInvocation, batch: &mut Batch) -> Result<(), Error> {
        for row in 0..ended.journal_rows {
            batch.delete(Keyspace::Journal, journal_key(ended.id, row));
            if batch.writes.len() >= PIECE {
                self.commit(std::mem::take(batch)).await?;
            }
        }
        Ok(())
    }

    /// Deletes results of calls that ended long ago, with their keys: a page. Returns whether there may be more.
    async fn sweep_results(&self, sweep: &mut Sweep) -> Result<bool, Error> {
        let page = self.surroundings.store.scan(ended_invocations(Bound::Unbounded)).await?;
        let mut is_full = page.len() == PAGE;
        let mut batch = Batch::default();
        for row in page {
            let ended = EndedInvocation::read(row)?;
            if !self.is_past(ended.at, self.surroundings.limits.result_retention) {
                is_full = false;
                break;
            }
            if batch.writes.len() >= PIECE && !self.commit_results(std::mem::take(&mut batch)).await? {
                return Ok(false);
            }
            if sweep.has_journal(&ended) {
                sweep.too_many = sweep.too_many.saturating_sub(1);
                sweep.swept.journals += 1;
            }
            // One that ended while the clock was set back stands in front of those whose journals were looked at.
            let mut journal = Batch::default();
            self.delete_journal(&ended, &mut journal).await?;
            batch.writes.append(&mut journal.writes);
            self.delete_result(ended, &mut batch).await?;
            sweep.swept.results += 1;
        }
        Ok(self.commit_results(batch).await? && is_full)
    }

    /// Commits deletions of results. Returns whether that was possible: when a key is used anew at this moment, the next sweep
    /// deletes them.
    async fn commit_results(&self, batch: Batch) -> Result<bool, Error> {
        if batch.writes.is_empty() {
            return Ok(true);
        }
        match self.surroundings.store.commit(batch).await {
            Ok(()) => Ok(true),
            Err(CommitError::GuardFailed(_)) => Ok(false),
            Err(CommitError::Store(error)) => Err(error.into()),
        }
    }

    async fn delete_result(&self, ended: EndedInvocation, batch: &mut Batch) -> Result<(), Error> {
        batch.delete(Keyspace::Retention, ended.row);
        batch.delete(Keyspace::Result, ended.id.as_bytes().to_vec());
        let Some(key_row) = ended.key_row else { return Ok(()) };
        let used = self.surroundings.store.get(Keyspace::IdempotencyKey, key_row.clone()).await?;
        // It may belong to another invocation by now.
        if let Some(bytes) = used
            && decoded::<KeyUse>(&bytes)?.invocation == *ended.id.as_bytes()
        {
            batch.guard(Keyspace::IdempotencyKey, key_row.clone(), Some(bytes));
            batch.delete(Keyspace::IdempotencyKey, key_row);
        }
        Ok(())
    }
}

/// The first of the invocations that have ended, from there on.
fn ended_invocations(lower: Bound<Vec<u8>>) -> Scan {
    Scan { keyspace: Keyspace::Retention, lower, upper: Bound::Unbounded, descending: false, limit: PAGE }
}

#[cfg(test)]
mod tests;
