//! Interruptions of invocations that have no body in memory: these end with them, durably, or are suspended.

use std::sync::Arc;

use super::Engine;
use super::admission::decoded;
use super::answer::Answer;
use super::interruption::Interruption;
use super::invocation::journal_key;
use super::retention;
use super::stored::Loaded;
use crate::audit::{CallEnd, EndedCall};
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind};
use crate::id::InvocationId;
use crate::journal::codec;
use crate::journal::record::{Conclusion, Ended, Record, Unfinished};
use crate::store::{Batch, CommitError, Keyspace};

impl Engine {
    /// Ends an invocation that has no body in memory: it waits, is parked, or its last run was cut off. Nothing of the tool
    /// is needed for that.
    pub(super) async fn end_without_body(&self, id: InvocationId, interruption: Interruption) -> Result<Loaded, Error> {
        let store = &self.surroundings.store;
        let key = id.as_bytes().to_vec();
        let Some(row) = store.get(Keyspace::Unfinished, key.clone()).await? else {
            return self.load(id).await;
        };
        let is_by_hand = matches!(interruption, Interruption::Completed { .. });
        let conclusion = match interruption.into_end() {
            Ok(conclusion) => conclusion,
            Err(until) => return self.suspend_without_body(id, row, until).await,
        };
        let admission = self.admission(id).await?;
        if let Conclusion::Cancelled { reason } = &conclusion
            && self.compensates(&admission.tool)
        {
            let (records, next_row) = self.journal(id).await?;
            let was_cancelled = was_cancelled(&records);
            // One that cannot be undone is ended when it is cancelled again.
            let ends = was_cancelled && matches!(decoded(&row)?, Unfinished::Parked { .. });
            if !ends {
                if !was_cancelled {
                    let at = self.surroundings.clock.now().as_millis();
                    let cancelled = vec![Record::Cancelled { reason: reason.clone(), at }];
                    let running = Unfinished::Running { unclean_ends: 0, rows_then: 0, wake_at: None };
                    let mut batch = Batch::default();
                    batch.guard(Keyspace::Unfinished, key.clone(), Some(row));
                    batch.put(Keyspace::Unfinished, key, codec::encode(&running));
                    batch.put(Keyspace::Journal, journal_key(id, next_row), codec::encode(&cancelled));
                    self.commit(batch).await?;
                }
                self.directory.taken_up(id);
                return Box::pin(self.load(id)).await;
            }
        }
        let key_row = self.key_row_of(&admission);
        let ended = Ended {
            tool: admission.tool,
            principal: admission.principal,
            conclusion,
            admitted_at: admission.at,
            at: self.surroundings.clock.now().as_millis(),
        };
        let mut rows = self.journal_rows(id).await?;
        let mut batch = Batch::default();
        if is_by_hand {
            let completed = vec![Record::Completed { at: ended.at }];
            batch.put(Keyspace::Journal, journal_key(id, rows), codec::encode(&completed));
            rows += 1;
        }
        batch.guard(Keyspace::Unfinished, key.clone(), Some(row));
        batch.delete(Keyspace::Unfinished, key);
        retention::put_result(&mut batch, id, &ended, rows, key_row.as_deref());
        let call = EndedCall {
            tool: &ended.tool,
            invocation: Some(id),
            arguments: &admission.arguments,
            end: CallEnd::of(&ended.conclusion, None),
            admitted_at: ended.admitted_at,
            at: ended.at,
        };
        call.put(self.tools.audits(&ended.tool), &self.surroundings.audit_keys, &mut batch);
        match store.commit(batch).await {
            Ok(()) => Ok(Loaded::Answer(Answer::Ended(Arc::new(ended)))),
            // Somebody else has gone on with it, and may have ended it.
            Err(CommitError::GuardFailed(_)) => Err(Error::new(
                ErrorKind::Retry,
                "store_shared",
                "another server has changed the same invocation at this moment",
            )),
            Err(CommitError::Store(error)) => Err(error.into()),
        }
    }

    /// Suspends an invocation that has no body in memory. One that is parked stays so, and one that is being undone goes on:
    /// neither waits for its client.
    async fn suspend_without_body(&self, id: InvocationId, row: Vec<u8>, until: Timestamp) -> Result<Loaded, Error> {
        if matches!(decoded(&row)?, Unfinished::Parked { .. }) || self.is_being_undone(id).await? {
            self.directory.suspended(id);
            return Box::pin(self.load(id)).await;
        }
        let suspended = Unfinished::Suspended { until: until.as_millis() };
        let key = id.as_bytes().to_vec();
        let mut batch = Batch::default();
        batch.guard(Keyspace::Unfinished, key.clone(), Some(row));
        batch.put(Keyspace::Unfinished, key, codec::encode(&suspended));
        self.commit(batch).await?;
        Ok(Loaded::Suspended(until))
    }

    async fn is_being_undone(&self, id: InvocationId) -> Result<bool, Error> {
        Ok(self.compensates(&self.admission(id).await?.tool) && was_cancelled(&self.journal(id).await?.0))
    }

    fn compensates(&self, tool: &str) -> bool {
        self.tools.get(tool).is_some_and(|registered| registered.definition.compensates)
    }
}

/// Whether a journal says that what the call did is undone.
fn was_cancelled(records: &[Record]) -> bool {
    records.iter().any(|record| matches!(record, Record::Cancelled { .. }))
}
