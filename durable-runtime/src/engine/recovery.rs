//! Recovery: going on, after a restart, with every invocation that has not ended.

use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde_json::Value;

use super::Engine;
use super::admission::decoded;
use super::answer::Answer;
use super::execution::{ConcludeFuture, Run, Undo};
use super::interruption::Interruption;
use super::invocation::{Invocation, journal_key};
use super::suspect::SUSPECT;
use crate::clock::Timestamp;
use crate::context::DurableContext;
use crate::error::{Error, ErrorKind};
use crate::id::InvocationId;
use crate::journal::codec;
use crate::journal::record::{Conclusion, Record, Unfinished};
use crate::journal::replay::{self, History};
use crate::store::{Batch, CommitError, Keyspace, Row, Scan};
use crate::tool::Conclude;

/// In the keyspace `meta`: there while no process has the store open, if the last one closed it cleanly.
pub(super) const CLEANLY_STOPPED: &[u8] = b"cleanly_stopped";

/// In the keyspace `meta`: how often the store was opened, as eight bytes, the highest first.
const OPENINGS: &[u8] = b"openings";

/// Rows read at once.
const PAGE: usize = 1000;

/// What the store has of an invocation.
pub(super) enum Loaded {
    Run(Run),
    Answer(Answer),
    /// It waits for its client.
    Suspended,
    Missing,
}

impl Engine {
    /// Takes up everything unfinished. When it returns, all of it is in the directory, so that calls find it there; the
    /// journals are read and the bodies run after that.
    pub(crate) async fn recover(self: &Arc<Self>) -> Result<(), Error> {
        let store = &self.surroundings.store;
        let was_clean = store.get(Keyspace::Meta, CLEANLY_STOPPED.to_vec()).await?.is_some();
        let mut batch = Batch::default();
        batch.delete(Keyspace::Meta, CLEANLY_STOPPED);
        let openings = store.get(Keyspace::Meta, OPENINGS.to_vec()).await?;
        let openings = openings.and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_be_bytes);
        self.opening.store(openings + 1, Ordering::Relaxed);
        batch.put(Keyspace::Meta, OPENINGS, (openings + 1).to_be_bytes().to_vec());
        let now = self.surroundings.clock.now();
        let (mut ids, mut suspects) = (Vec::new(), Vec::new());
        let mut after = Bound::Unbounded;
        loop {
            let page = self.page(Keyspace::Unfinished, after, Bound::Unbounded).await?;
            let Some((last, _)) = page.last() else { break };
            after = Bound::Excluded(last.clone());
            for (key, value) in page {
                let id = invocation_id(&key)?;
                let row: Unfinished = decoded(&value)?;
                if let Some(wake_at) = self.wake_time(id, &row).await?
                    && wake_at > now
                {
                    self.timers.set(wake_at, id);
                    continue;
                }
                if let Unfinished::Suspended { until } = row {
                    self.timers.set(Timestamp::from_millis(until), id);
                    continue;
                }
                let (unclean_ends, rows_then, has_begun) = match row {
                    Unfinished::Running { unclean_ends, rows_then, .. } => (unclean_ends, rows_then, true),
                    Unfinished::Suspect { unclean_ends, rows_then } => (unclean_ends, rows_then, false),
                    Unfinished::Parked { .. } | Unfinished::Suspended { .. } => continue,
                };
                if was_clean && unclean_ends > 0 {
                    let reset = Unfinished::Running { unclean_ends: 0, rows_then, wake_at: None };
                    batch.guard(Keyspace::Unfinished, key.clone(), Some(value));
                    batch.put(Keyspace::Unfinished, key, codec::encode(&reset));
                } else if !was_clean && has_begun {
                    let rows = self.journal_rows(id).await?;
                    let mut counted = self.counted(unclean_ends, rows_then, rows, "the server died while it ran");
                    if let Unfinished::Running { unclean_ends, rows_then, .. } = counted
                        && unclean_ends >= SUSPECT
                    {
                        counted = Unfinished::Suspect { unclean_ends, rows_then };
                        suspects.push(id);
                    }
                    batch.guard(Keyspace::Unfinished, key.clone(), Some(value));
                    batch.put(Keyspace::Unfinished, key, codec::encode(&counted));
                    match counted {
                        Unfinished::Running { .. } => {}
                        Unfinished::Parked { .. } => {
                            tracing::warn!(invocation = %id, "an invocation is parked: its runs end uncleanly");
                            continue;
                        }
                        Unfinished::Suspect { .. } | Unfinished::Suspended { .. } => continue,
                    }
                } else if !has_begun {
                    // It was not its turn when the server died.
                    suspects.push(id);
                    continue;
                }
                ids.push(id);
            }
        }
        self.commit(batch).await?;
        if !ids.is_empty() {
            tracing::info!(unfinished = ids.len(), was_clean, "going on with unfinished invocations");
        }
        for id in ids.iter().chain(&suspects) {
            self.directory.enter(*id);
        }
        for id in ids {
            self.execute(id, None);
        }
        self.take_up_suspects(suspects);
        self.report_misfits();
        self.watch_timers();
        self.watch_retention();
        Ok(())
    }

    /// Counts a run that ended without a word, durably; gives the answer if the invocation is parked for it.
    pub(super) async fn count_unclean_end(&self, id: InvocationId, how: &str) -> Result<Option<Answer>, Error> {
        let store = &self.surroundings.store;
        let key = id.as_bytes().to_vec();
        let Some(row) = store.get(Keyspace::Unfinished, key.clone()).await? else {
            return Ok(None);
        };
        let (Unfinished::Running { unclean_ends, rows_then, .. } | Unfinished::Suspect { unclean_ends, rows_then }) =
            decoded(&row)?
        else {
            return Ok(None);
        };
        let rows = self.journal_rows(id).await?;
        let counted = self.counted(unclean_ends, rows_then, rows, how);
        let mut batch = Batch::default();
        batch.guard(Keyspace::Unfinished, key.clone(), Some(row));
        batch.put(Keyspace::Unfinished, key, codec::encode(&counted));
        self.commit(batch).await?;
        Ok(match counted {
            Unfinished::Parked { code, reason, .. } => Some(Answer::Parked { code, reason }),
            Unfinished::Running { .. } | Unfinished::Suspended { .. } | Unfinished::Suspect { .. } => None,
        })
    }

    /// A row with one unclean end more; from the first again if the journal has grown since the last one.
    fn counted(&self, unclean_ends: u32, rows_then: u32, rows: u32, how: &str) -> Unfinished {
        let unclean_ends = if rows > rows_then { 1 } else { unclean_ends + 1 };
        if unclean_ends < self.surroundings.limits.unclean_ends {
            return Unfinished::Running { unclean_ends, rows_then: rows, wake_at: None };
        }
        Unfinished::Parked {
            code: "unclean_ends".into(),
            reason: format!(
                "{unclean_ends} runs in a row ended uncleanly without anything new in the journal, the last time because {how}"
            ),
            at: self.surroundings.clock.now().as_millis(),
        }
    }

    /// How many rows the journal of an invocation has.
    pub(super) async fn journal_rows(&self, id: InvocationId) -> Result<u32, Error> {
        let last = self
            .surroundings
            .store
            .scan(Scan {
                keyspace: Keyspace::Journal,
                lower: Bound::Included(journal_key(id, 0)),
                upper: Bound::Included(journal_key(id, u32::MAX)),
                descending: true,
                limit: 1,
            })
            .await?;
        let Some((key, _)) = last.first() else { return Ok(0) };
        let row = key.get(16..).and_then(|row| row.try_into().ok()).ok_or_else(damaged_key)?;
        Ok(u32::from_be_bytes(row) + 1)
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

    /// Reads an invocation from the store, up to the point where its body can be run.
    pub(super) async fn load(&self, id: InvocationId) -> Result<Loaded, Error> {
        let _turn = self.reading.acquire().await;
        let store = &self.surroundings.store;
        let Some(mut owned_row) = store.get(Keyspace::Unfinished, id.as_bytes().to_vec()).await? else {
            return Ok(match store.get(Keyspace::Result, id.as_bytes().to_vec()).await? {
                Some(ended) => Loaded::Answer(Answer::Ended(Arc::new(decoded(&ended)?))),
                None => Loaded::Missing,
            });
        };
        let state = match decoded(&owned_row)? {
            Unfinished::Parked { code, reason, .. } => return Ok(Loaded::Answer(Answer::Parked { code, reason })),
            Unfinished::Suspended { until } if until <= self.surroundings.clock.now().as_millis() => {
                let reason = "its client had gone, and did not come back in time".to_owned();
                return Box::pin(self.end_without_body(id, Interruption::Cancelled { reason })).await;
            }
            Unfinished::Suspended { .. } => {
                // Its client is back.
                let running = codec::encode(&Unfinished::Running { unclean_ends: 0, rows_then: 0, wake_at: None });
                let key = id.as_bytes().to_vec();
                let mut batch = Batch::default();
                batch.guard(
                    Keyspace::Unfinished,
                    key.clone(),
                    Some(std::mem::replace(&mut owned_row, running.clone())),
                );
                batch.put(Keyspace::Unfinished, key, running);
                self.commit(batch).await?;
                (false, false)
            }
            Unfinished::Running { unclean_ends, wake_at, .. } => (unclean_ends > 0, wake_at.is_some()),
            Unfinished::Suspect { .. } => (true, false),
        };
        let proof = if state.0 { self.directory.proof(id) } else { None };
        let (records, next_row) = self.journal(id).await?;
        let journal_bytes = records.iter().map(Record::payload_bytes).sum();
        let history = match replay::replay(records) {
            Ok(history) => history,
            Err(contradiction) => return Ok(parked("journal_damaged", contradiction.to_string())),
        };
        let admission = history.admission();
        if self.tools.get(&admission.tool).is_some()
            && let Some(reason) = history.cancelled()
        {
            let reason = reason.to_owned();
            return Box::pin(self.load_undoing(id, &reason, history, (next_row, owned_row), state)).await;
        }
        let body = match self.fitting(admission) {
            Ok(body) => body,
            // Seen anew at every start, so that a deploy of the right code is all it takes to go on.
            Err(misfit) => return Ok(parked(misfit.code, misfit.reason)),
        };
        let registered = self.tools.get(&admission.tool);
        let compensates = registered.is_some_and(|registered| registered.definition.compensates);
        let undoing = if compensates { Undo::WhenCancelled } else { Undo::Never };
        let deadline = self.deadline(&admission.tool, admission.at);
        let key_row = self.key_row_of(admission);
        let invocation = Invocation::resume(id, Arc::clone(&self.surroundings), history, next_row, owned_row, state)
            .with_deadline(deadline)
            .with_key_row(key_row)
            .with_journal_bytes(journal_bytes)
            .with_proof(proof)
            .with_conversation(self.directory.conversation(id).unwrap_or_default());
        Ok(Loaded::Run(Run { invocation: Arc::new(invocation), body, undoing }))
    }

    /// The same for an invocation that was cancelled, and is being undone.
    async fn load_undoing(
        &self,
        id: InvocationId,
        reason: &str,
        history: History,
        (next_row, owned_row): (u32, Vec<u8>),
        state: (bool, bool),
    ) -> Result<Loaded, Error> {
        let admission = history.admission();
        let registered = self.tools.get(&admission.tool);
        let arguments: Result<Value, _> = serde_json::from_str(&admission.arguments);
        let undoing = registered.zip(arguments.ok());
        let compensation =
            match undoing.and_then(|(registered, arguments)| self.tools.compensate(registered, arguments)) {
                Some(Ok(compensation)) => compensation,
                Some(Err(error)) => {
                    return Ok(parked(
                        "arguments_not_decodable",
                        format!(
                            "the recorded arguments do not fit what undoes `{}` in this build: {error}",
                            admission.tool
                        ),
                    ));
                }
                // This build has nothing that undoes it.
                None => {
                    let cancelled = Interruption::Cancelled { reason: reason.to_owned() };
                    return self.end_without_body(id, cancelled).await;
                }
            };
        let (reason, key_row) = (reason.to_owned(), self.key_row_of(history.admission()));
        let invocation = Invocation::resume(id, Arc::clone(&self.surroundings), history, next_row, owned_row, state)
            .with_key_row(key_row)
            .with_conversation(self.directory.conversation(id).unwrap_or_default());
        let body = move |cx: DurableContext| -> ConcludeFuture {
            let undoing = (compensation.0)(cx.compensating());
            Box::pin(async move {
                let reason = match undoing.await {
                    Ok(()) => reason,
                    Err(failure) => format!("{reason}; undoing it failed: {failure}"),
                };
                Ok(Conclude { conclusion: Conclusion::Cancelled { reason }, error_type: None })
            })
        };
        Ok(Loaded::Run(Run { invocation: Arc::new(invocation), body: Box::new(body), undoing: Undo::Now }))
    }

    pub(super) async fn journal(&self, id: InvocationId) -> Result<(Vec<Record>, u32), Error> {
        let mut records = Vec::new();
        let mut rows = 0;
        let mut lower = Bound::Included(journal_key(id, 0));
        let upper = Bound::Included(journal_key(id, u32::MAX));
        loop {
            let page = self.page(Keyspace::Journal, lower, upper.clone()).await?;
            let Some((last, _)) = page.last() else { break };
            lower = Bound::Excluded(last.clone());
            for (_, row) in &page {
                records.extend(decoded::<Vec<Record>>(row)?);
                rows += 1;
            }
        }
        Ok((records, rows))
    }
}

fn parked(code: &str, reason: String) -> Loaded {
    tracing::warn!(code, reason, "an invocation cannot go on with this build");
    Loaded::Answer(Answer::Parked { code: code.to_owned(), reason })
}

fn damaged_key() -> Error {
    Error::new(ErrorKind::AskPerson, "record_unreadable", "a key of the store has the wrong length")
}

pub(super) fn invocation_id(key: &[u8]) -> Result<InvocationId, Error> {
    key.try_into().map(InvocationId::from_bytes).map_err(|_| damaged_key())
}
