//! Recovery: going on, after a restart, with every invocation that has not ended.

use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::Engine;
use super::admission::decoded;
use super::invocation::journal_key;
use super::suspect::SUSPECT;
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind};
use crate::id::InvocationId;
use crate::journal::codec;
use crate::journal::record::Unfinished;
use crate::store::{Batch, CommitError, Keyspace, Row, Scan};

/// In the keyspace `meta`: there while no process has the store open, if the last one closed it cleanly.
pub(super) const CLEANLY_STOPPED: &[u8] = b"cleanly_stopped";

/// In the keyspace `meta`: how often the store was opened, as eight bytes, the highest first.
const OPENINGS: &[u8] = b"openings";

/// In the keyspace `meta`: which opening was the last that came after a clean stop, as eight bytes, the highest first.
const CLEANLY_OPENED: &[u8] = b"cleanly_opened";

/// Rows read at once.
pub(super) const PAGE: usize = 1000;

/// When what ran is due that is to go on at once: before all that has waited.
const AT_ONCE: Timestamp = Timestamp::from_millis(0);

/// What is unfinished, by what becomes of it.
#[derive(Default)]
struct Unended {
    /// When each is to be taken up.
    waits: Vec<(Timestamp, InvocationId)>,
    /// Those that ran when the last process died.
    died: Vec<InvocationId>,
    /// Those of them that may have become suspects by that, and their rows.
    doubtful: Vec<(InvocationId, Vec<u8>, Unfinished)>,
    suspects: Vec<InvocationId>,
}

impl Engine {
    /// Takes up everything unfinished. When it returns, every invocation has its timer, and what ran is due; journals are read and
    /// bodies run after that, a bounded number at once. Until then calls find an invocation in the store, as one that waits.
    pub(crate) async fn recover(self: &Arc<Self>) -> Result<(), Error> {
        let mut batch = Batch::default();
        let was_clean = self.note_opening(&mut batch).await?;
        let unended = self.unended(was_clean, &mut batch).await?;
        self.commit(batch).await?;
        let due = unended.waits.iter().filter(|(at, _)| *at == AT_ONCE).count();
        if due > 0 {
            tracing::info!(unfinished = due, was_clean, "going on with unfinished invocations");
        }
        self.unclean_ends.count_later(unended.died);
        self.timers.set_all(unended.waits);
        for id in &unended.suspects {
            self.directory.claim(*id);
        }
        self.take_up_suspects(unended.suspects);
        self.watch_deadlines();
        self.report_misfits();
        self.watch_timers();
        self.watch_retention();
        Ok(())
    }

    /// Numbers this opening, and says whether it comes after a clean stop.
    async fn note_opening(&self, batch: &mut Batch) -> Result<bool, Error> {
        let keys = [CLEANLY_STOPPED, OPENINGS, CLEANLY_OPENED].map(<[u8]>::to_vec).to_vec();
        let mut found = self.surroundings.store.get_many(Keyspace::Meta, keys).await?.into_iter();
        let was_clean = found.next().flatten().is_some();
        let mut number =
            || found.next().flatten().and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_be_bytes);
        let (opening, cleanly_opened) = (number() + 1, number());
        self.opening.store(opening, Ordering::Relaxed);
        batch.delete(Keyspace::Meta, CLEANLY_STOPPED);
        batch.put(Keyspace::Meta, OPENINGS, opening.to_be_bytes().to_vec());
        if was_clean {
            batch.put(Keyspace::Meta, CLEANLY_OPENED, opening.to_be_bytes().to_vec());
        }
        self.unclean_ends.count_since(if was_clean { opening } else { cleanly_opened });
        Ok(was_clean)
    }

    /// Reads the rows of all that has not ended, and nothing larger.
    async fn unended(&self, was_clean: bool, batch: &mut Batch) -> Result<Unended, Error> {
        let now = self.surroundings.clock.now();
        let mut unended = Unended::default();
        let mut after = Bound::Unbounded;
        loop {
            let page = self.page(Keyspace::Unfinished, after, Bound::Unbounded).await?;
            let is_last = page.len() < PAGE;
            after = page.last().map_or(Bound::Unbounded, |(last, _)| Bound::Excluded(last.clone()));
            for (key, value) in page {
                let id = invocation_id(&key)?;
                let row: Unfinished = decoded(&value)?;
                let due = match row {
                    Unfinished::Parked { .. } => continue,
                    Unfinished::Suspect { .. } if was_clean => {
                        let running = Unfinished::Running { unclean_ends: 0, rows_then: 0, wake_at: None };
                        batch.guard(Keyspace::Unfinished, key.clone(), Some(value));
                        batch.put(Keyspace::Unfinished, key, codec::encode(&running));
                        unended.waits.push((AT_ONCE, id));
                        continue;
                    }
                    Unfinished::Suspect { .. } => {
                        // It was not its turn when the last process ended.
                        unended.suspects.push(id);
                        continue;
                    }
                    Unfinished::Suspended { until } => {
                        unended.waits.push((Timestamp::from_millis(until), id));
                        continue;
                    }
                    Unfinished::Running { wake_at: Some(at), .. } => Timestamp::from_millis(at),
                    Unfinished::Running { wake_at: None, .. } | Unfinished::Unclean { .. } => AT_ONCE,
                };
                // One whose wait is over may have been running.
                if !was_clean && due <= now {
                    if self.unclean_ends.standing(&row).0 + 1 >= SUSPECT {
                        unended.doubtful.push((id, value, row));
                        continue;
                    }
                    unended.died.push(id);
                }
                unended.waits.push((due, id));
            }
            self.look_into_doubtful(&mut unended, batch).await?;
            if is_last {
                unended.suspects.sort_unstable();
                return Ok(unended);
            }
        }
    }

    /// Makes suspects of those that have nothing new in their journals. The others are counted when they run.
    async fn look_into_doubtful(&self, unended: &mut Unended, batch: &mut Batch) -> Result<(), Error> {
        let doubtful = std::mem::take(&mut unended.doubtful);
        if doubtful.is_empty() {
            return Ok(());
        }
        let ends = doubtful.iter().map(|(id, ..)| end_of_journal(*id)).collect();
        let ends = self.surroundings.store.scan_many(ends).await?;
        for ((id, value, row), end) in doubtful.into_iter().zip(ends) {
            let counted = match self.counted(&row, rows_up_to(&end)?, "the server died while it ran") {
                Unfinished::Unclean { unclean_ends, rows_then, .. } if unclean_ends >= SUSPECT => {
                    unended.suspects.push(id);
                    Unfinished::Suspect { unclean_ends, rows_then }
                }
                parked @ Unfinished::Parked { .. } => {
                    tracing::warn!(invocation = %id, "an invocation is parked: its runs end uncleanly");
                    parked
                }
                _ => {
                    unended.died.push(id);
                    unended.waits.push((AT_ONCE, id));
                    continue;
                }
            };
            let key = id.as_bytes().to_vec();
            batch.guard(Keyspace::Unfinished, key.clone(), Some(value));
            batch.put(Keyspace::Unfinished, key, codec::encode(&counted));
        }
        Ok(())
    }

    /// How many rows the journal of an invocation has.
    pub(super) async fn journal_rows(&self, id: InvocationId) -> Result<u32, Error> {
        rows_up_to(&self.surroundings.store.scan(end_of_journal(id)).await?)
    }

    pub(super) async fn page(
        &self,
        keyspace: Keyspace,
        lower: Bound<Vec<u8>>,
        upper: Bound<Vec<u8>>,
    ) -> Result<Vec<Row>, Error> {
        let scan = Scan { keyspace, lower, upper, descending: false, limit: PAGE };
        Ok(self.surroundings.store.scan(scan).await?)
    }

    pub(super) async fn commit(&self, batch: Batch) -> Result<(), Error> {
        match self.surroundings.store.commit(batch).await {
            Ok(()) => Ok(()),
            Err(CommitError::Store(error)) => Err(error.into()),
            Err(CommitError::GuardFailed(_)) => Err(Error::new(
                ErrorKind::Retry,
                "store_shared",
                "another server has changed the same invocation at this moment",
            )),
        }
    }
}

/// The last row of a journal.
fn end_of_journal(id: InvocationId) -> Scan {
    Scan {
        keyspace: Keyspace::Journal,
        lower: Bound::Included(journal_key(id, 0)),
        upper: Bound::Included(journal_key(id, u32::MAX)),
        descending: true,
        limit: 1,
    }
}

/// How many rows a journal has that ends with this one.
fn rows_up_to(end: &[Row]) -> Result<u32, Error> {
    let Some((key, _)) = end.first() else { return Ok(0) };
    let row = key.get(16..).and_then(|row| row.try_into().ok()).ok_or_else(damaged_key)?;
    Ok(u32::from_be_bytes(row) + 1)
}

fn damaged_key() -> Error {
    Error::new(ErrorKind::AskPerson, "record_unreadable", "a key of the store has the wrong length")
}

pub(super) fn invocation_id(key: &[u8]) -> Result<InvocationId, Error> {
    key.try_into().map(InvocationId::from_bytes).map_err(|_| damaged_key())
}
