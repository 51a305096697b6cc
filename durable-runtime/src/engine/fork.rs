//! Forks: a new invocation that has what another one had recorded when it came to a step.

use std::collections::HashSet;
use std::sync::Arc;

use super::Engine;
use super::admission::decoded;
use super::intervention::{read, running, step_of};
use super::invocation::journal_key;
use super::key::key_row;
use crate::compensation;
use crate::error::{Error, ErrorKind};
use crate::id::InvocationId;
use crate::journal::codec;
use crate::journal::identity::Identity;
use crate::journal::record::{Admission, KeyUse, Outcome, Record, Unfinished};
use crate::store::{Batch, Keyspace};

/// Records in one row of a fork's journal.
const ROW_RECORDS: usize = 100;

impl Engine {
    /// Begins a fork from a step: with an outcome for that step, or without, and then it runs again.
    pub(crate) async fn fork(
        self: &Arc<Self>,
        from: InvocationId,
        step: &str,
        outcome: Option<Outcome>,
    ) -> Result<InvocationId, Error> {
        let is_ended = self.surroundings.store.get(Keyspace::Result, from.as_bytes().to_vec()).await?.is_some();
        let (held, parked) = if is_ended {
            (None, None)
        } else {
            let held = self.hold(from)?;
            let parked = self.parked(from).await.map_err(|error| {
                // One that waits would go on beside its fork.
                if error.code() == "invocation_not_parked" { running(from) } else { error }
            })?;
            (Some(held), Some(parked))
        };
        let (records, _) = self.journal(from).await?;
        if records.is_empty() {
            return Err(Error::new(
                ErrorKind::FixCall,
                "journal_deleted",
                format!("the journal of invocation {from} is deleted, for it ended long ago; make its call anew"),
            ));
        }
        let history = read(from, records.clone())?;
        let identity = step_of(&history, from, step)?;
        if identity.is_within(compensation::SCOPE) {
            return Err(Error::new(
                ErrorKind::FixCall,
                "step_unknown",
                format!("the step `{identity}` of invocation {from} undoes its call, and is no step to fork from"),
            ));
        }
        let kind = history.kind(&identity).expect("a step of a history has a kind");
        let original = history.admission();
        let mut batch = Batch::default();
        let now = self.surroundings.clock.now();
        let id = self.surroundings.chance.invocation(now, None);
        if let Some(parked) = &parked {
            batch.guard(Keyspace::Unfinished, from.as_bytes().to_vec(), Some(parked.row.clone()));
        }
        // A result that callers have had under their key stays what the key gives.
        let takes_key = parked.is_some() && self.move_key(from, id, original, &mut batch).await?;
        let admission = Admission {
            idempotency_key: original.idempotency_key.clone().filter(|_| takes_key),
            build: self.build.clone(),
            at: now.as_millis(),
            ..original.clone()
        };
        let mut kept = until(&identity, records);
        if let Some(outcome) = outcome {
            self.check_outcome(&identity, &outcome)?;
            kept.push(Record::Resolved { step: identity.clone(), kind, outcome, at: now.as_millis() });
        }
        let forked = Record::Forked { from: *from.as_bytes(), step: identity.to_string(), at: now.as_millis() };
        let first = vec![Record::Admitted(Arc::new(admission)), forked];
        let whole = first.iter().chain(&kept).cloned().collect();
        self.check_readable(id, &identity, read(id, whole)?, 1)?;
        let running = Unfinished::Running { unclean_ends: 0, rows_then: 0, wake_at: None };
        batch.put(Keyspace::Unfinished, id.as_bytes().to_vec(), codec::encode(&running));
        batch.put(Keyspace::Journal, journal_key(id, 0), codec::encode(&first));
        for (row, records) in (1..).zip(kept.chunks(ROW_RECORDS)) {
            batch.put(Keyspace::Journal, journal_key(id, row), codec::encode(&records.to_vec()));
        }
        let committed = self.commit(batch).await;
        drop(held);
        if committed.as_ref().is_err_and(|error| error.code() == "store_shared") {
            return committed.map(|()| id);
        }
        // A commit that seems to have failed may be durable, and nobody else would run the fork then.
        tracing::info!(invocation = %id, %from, step = %identity, "a person has forked an invocation");
        if self.directory.enter(id).is_some() {
            self.execute(id, None);
        }
        committed.map(|()| id)
    }

    /// Lets the idempotency key of an invocation give its fork, if it gives the invocation now.
    async fn move_key(
        &self,
        from: InvocationId,
        to: InvocationId,
        admission: &Admission,
        batch: &mut Batch,
    ) -> Result<bool, Error> {
        let Some(key) = &admission.idempotency_key else { return Ok(false) };
        for is_derived in [false, true] {
            let row = key_row(&admission.principal, &admission.tool, key, is_derived);
            let Some(stored) = self.surroundings.store.get(Keyspace::IdempotencyKey, row.clone()).await? else {
                continue;
            };
            let used: KeyUse = decoded(&stored)?;
            if used.invocation == *from.as_bytes() {
                let moved = KeyUse { invocation: *to.as_bytes(), ..used };
                batch.guard(Keyspace::IdempotencyKey, row.clone(), Some(stored));
                batch.put(Keyspace::IdempotencyKey, row, codec::encode(&moved));
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// What was recorded when the step began, and what became of all that had begun by then.
fn until(step: &Identity, records: Vec<Record>) -> Vec<Record> {
    let mut begun: HashSet<Identity> = HashSet::new();
    let mut is_over = false;
    let mut kept = Vec::new();
    for record in records.into_iter().skip(1) {
        let subject = match &record {
            Record::Started { step, .. }
            | Record::Failed { step, .. }
            | Record::Ended { step, .. }
            | Record::Unrecordable { step, .. }
            | Record::Resolved { step, .. } => step,
            Record::Operated { operation, .. } => operation,
            Record::Asked { question, .. } => question,
            // They are of the invocation, and the fork has its own.
            Record::Admitted(_)
            | Record::Cancelled { .. }
            | Record::Forked { .. }
            | Record::Retried { .. }
            | Record::Completed { .. } => continue,
        };
        let is_undoing = subject.is_within(compensation::SCOPE);
        is_over |= subject == step;
        if !is_undoing && (!is_over || begun.contains(subject)) {
            begun.insert(subject.clone());
            kept.push(record);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::record::StepKind;

    fn step(name: &str) -> Identity {
        Identity { scope: String::new(), name: name.to_owned().into(), key: None }
    }

    fn started(name: &str) -> Record {
        Record::Started { step: step(name), attempt: 1, at: 0 }
    }

    fn ended(name: &str) -> Record {
        let outcome = Outcome::Value("1".into());
        Record::Ended { step: step(name), kind: StepKind::AtMostOnce, attempt: 1, outcome, at: 0 }
    }

    #[test]
    fn a_fork_has_what_began_before_its_step_with_what_became_of_it_and_nothing_later() {
        let admitted = Record::Completed { at: 0 };
        let records = vec![
            admitted,
            started("a"),
            ended("a"),
            started("beside"),
            started("b"),
            ended("beside"),
            ended("b"),
            started("c"),
            Record::Cancelled { reason: "r".into(), at: 0 },
        ];
        let kept = until(&step("b"), records);
        assert_eq!(kept, [started("a"), ended("a"), started("beside"), ended("beside")]);
    }
}
