//! What the store has of an invocation, made into a run.

use std::ops::Bound;
use std::sync::Arc;

use serde_json::Value;

use super::Engine;
use super::admission::decoded;
use super::answer::Answer;
use super::execution::{ConcludeFuture, Run, Undo};
use super::interruption::Interruption;
use super::invocation::{Invocation, journal_key};
use super::recovery::PAGE;
use crate::clock::Timestamp;
use crate::context::DurableContext;
use crate::error::Error;
use crate::id::InvocationId;
use crate::journal::codec;
use crate::journal::record::{Conclusion, Record, Unfinished};
use crate::journal::replay::{self, History};
use crate::store::{Batch, Keyspace, Row, Scan, StoreError};
use crate::tool::Conclude;

/// How many rows a journal has at most that is read together with others.
const SHORT_JOURNAL: usize = 32;

/// The rows of an invocation that has not ended.
pub(super) struct Stored {
    /// Of the keyspace `unfinished`.
    pub(super) row: Vec<u8>,
    journal: Vec<Vec<u8>>,
}

impl Stored {
    fn of(row: Vec<u8>, journal: Vec<Row>) -> Option<Self> {
        let journal = journal.into_iter().map(|(_, row)| row).collect::<Vec<_>>();
        (journal.len() <= SHORT_JOURNAL).then_some(Self { row, journal })
    }

    /// How many rows the journal has.
    pub(super) fn rows(&self) -> u32 {
        u32::try_from(self.journal.len()).expect("a short journal")
    }
}

/// What the store has of an invocation.
pub(super) enum Loaded {
    Run(Run),
    Answer(Answer),
    /// It waits for its client, until then.
    Suspended(Timestamp),
    Missing,
}

impl Engine {
    /// Reads an invocation from the store, up to the point where its body can be run.
    pub(super) async fn load(&self, id: InvocationId) -> Result<Loaded, Error> {
        self.load_read(id, None).await
    }

    /// The same, where its rows may have been read already.
    pub(super) async fn load_read(&self, id: InvocationId, read: Option<Stored>) -> Result<Loaded, Error> {
        let _turn = if read.is_none() { self.reading.acquire().await.ok() } else { None };
        let store = &self.surroundings.store;
        let (row, journal) = match read {
            Some(read) => (Some(read.row), Some(read.journal)),
            None => (store.get(Keyspace::Unfinished, id.as_bytes().to_vec()).await?, None),
        };
        let Some(mut owned_row) = row else {
            return Ok(match store.get(Keyspace::Result, id.as_bytes().to_vec()).await? {
                Some(ended) => Loaded::Answer(Answer::Ended(Arc::new(decoded(&ended)?))),
                None => Loaded::Missing,
            });
        };
        let unfinished = decoded(&owned_row)?;
        let was_unclean = self.unclean_ends.standing(&unfinished).0 > 0;
        let state = match unfinished {
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
            Unfinished::Running { wake_at, .. } => (was_unclean, wake_at.is_some()),
            Unfinished::Unclean { .. } | Unfinished::Suspect { .. } => (was_unclean, false),
        };
        let proof = if state.0 { self.directory.proof(id) } else { None };
        let (records, next_row) = match journal {
            Some(journal) => records(&journal)?,
            None => self.journal(id).await?,
        };
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

    /// Until when only its client can let an invocation go on.
    pub(super) async fn waits_for_client(
        &self,
        id: InvocationId,
        read: Option<&Stored>,
    ) -> Result<Option<Timestamp>, Error> {
        let found;
        let row = if let Some(read) = read {
            Some(&read.row)
        } else {
            found = self.surroundings.store.get(Keyspace::Unfinished, id.as_bytes().to_vec()).await?;
            found.as_ref()
        };
        let until = match row.map(|row| decoded(row)).transpose()? {
            Some(Unfinished::Suspended { until }) => Timestamp::from_millis(until),
            _ => return Ok(None),
        };
        Ok(Some(until).filter(|until| *until > self.surroundings.clock.now()))
    }

    pub(super) async fn journal(&self, id: InvocationId) -> Result<(Vec<Record>, u32), Error> {
        let mut rows = Vec::new();
        let mut lower = Bound::Included(journal_key(id, 0));
        let upper = Bound::Included(journal_key(id, u32::MAX));
        loop {
            let page = self.page(Keyspace::Journal, lower, upper.clone()).await?;
            let is_last = page.len() < PAGE;
            let last = page.last().map(|(key, _)| key.clone());
            rows.extend(page.into_iter().map(|(_, row)| row));
            match last {
                Some(last) if !is_last => lower = Bound::Excluded(last),
                _ => return records(&rows),
            }
        }
    }

    /// Reads the rows of several invocations that are in the directory, so that nobody else goes on with them. What is not given
    /// is to be read by itself: it has ended, its journal is long, or the store has failed.
    pub(super) async fn read_many(&self, ids: &[InvocationId]) -> Vec<Option<Stored>> {
        let keys = ids.iter().map(|id| id.as_bytes().to_vec()).collect();
        let journals = ids.iter().map(|id| Scan {
            keyspace: Keyspace::Journal,
            lower: Bound::Included(journal_key(*id, 0)),
            upper: Bound::Included(journal_key(*id, u32::MAX)),
            descending: false,
            limit: SHORT_JOURNAL + 1,
        });
        let store = &self.surroundings.store;
        let read = async {
            let rows = store.get_many(Keyspace::Unfinished, keys).await?;
            Ok::<_, StoreError>((rows, store.scan_many(journals.collect()).await?))
        };
        match read.await {
            Ok((rows, journals)) => rows.into_iter().zip(journals).map(|(row, rows)| Stored::of(row?, rows)).collect(),
            Err(error) => {
                tracing::debug!(%error, "invocations that are due are read one by one");
                ids.iter().map(|_| None).collect()
            }
        }
    }
}

/// The records in the rows of a journal, and how many rows those are.
fn records(journal: &[Vec<u8>]) -> Result<(Vec<Record>, u32), Error> {
    let (mut records, mut rows) = (Vec::new(), 0);
    for row in journal {
        records.extend(decoded::<Vec<Record>>(row)?);
        rows += 1;
    }
    Ok((records, rows))
}

fn parked(code: &str, reason: String) -> Loaded {
    tracing::warn!(code, reason, "an invocation cannot go on with this build");
    Loaded::Answer(Answer::Parked { code: code.to_owned(), reason })
}
