//! What is known of an invocation, without running it.

use std::sync::Arc;

use super::Engine;
use super::admission::decoded;
use super::invocation::journal_key;
use crate::error::{Error, ErrorKind};
use crate::id::InvocationId;
use crate::journal::record::{Admission, Ended, Record, Unfinished};
use crate::store::Keyspace;

/// How many invocations are read from the store at once.
pub(super) const READ_AT_ONCE: usize = 64;

/// An invocation as the store has it.
#[derive(Clone, Debug)]
pub(crate) enum Look {
    Ended(Arc<Ended>),
    /// It runs, or will be resumed.
    Running(Admission),
    Parked {
        admission: Admission,
        code: String,
        reason: String,
        at: u64,
    },
    Missing,
}

impl Engine {
    /// Looks at an invocation.
    pub(crate) async fn look(&self, id: InvocationId) -> Result<Look, Error> {
        let store = &self.surroundings.store;
        let key = id.as_bytes().to_vec();
        // What has no row of the one sort may have got one of the other meanwhile, and not the other way round.
        let unfinished = store.get(Keyspace::Unfinished, key.clone()).await?;
        if let Some(ended) = store.get(Keyspace::Result, key).await? {
            return Ok(Look::Ended(Arc::new(decoded(&ended)?)));
        }
        let Some(unfinished) = unfinished else { return Ok(Look::Missing) };
        let admission = self.admission(id).await?;
        Ok(match decoded(&unfinished)? {
            Unfinished::Running { .. }
            | Unfinished::Unclean { .. }
            | Unfinished::Suspended { .. }
            | Unfinished::Suspect { .. } => Look::Running(admission),
            Unfinished::Parked { code, reason, at } => Look::Parked { admission, code, reason, at },
        })
    }

    /// The call of an invocation, without the rest of its journal.
    pub(super) async fn admission(&self, id: InvocationId) -> Result<Admission, Error> {
        let row = self.surroundings.store.get(Keyspace::Journal, journal_key(id, 0)).await?;
        admission_in(id, row)
    }

    /// The calls of several invocations; of one that has ended just now, or is damaged, the error.
    pub(super) async fn admissions(&self, ids: &[InvocationId]) -> Result<Vec<Result<Admission, Error>>, Error> {
        let keys = ids.iter().map(|id| journal_key(*id, 0)).collect();
        let rows = self.surroundings.store.get_many(Keyspace::Journal, keys).await?;
        Ok(ids.iter().zip(rows).map(|(id, row)| admission_in(*id, row)).collect())
    }
}

/// The call in the first row of a journal.
fn admission_in(id: InvocationId, row: Option<Vec<u8>>) -> Result<Admission, Error> {
    let records: Vec<Record> = row.map(|row| decoded(&row)).transpose()?.unwrap_or_default();
    match records.into_iter().next() {
        Some(Record::Admitted(admission)) => Ok(Arc::unwrap_or_clone(admission)),
        _ => Err(Error::new(
            ErrorKind::AskPerson,
            "record_unreadable",
            format!("the journal of invocation {id} does not begin with an admission"),
        )),
    }
}
