//! Delivery: where a tool says `idempotency = "undelivered"`, a call made again belongs to the earlier one until an answer of that
//! one has been written out. Then the key is forgotten.
//!
//! That is noted in the background. A crash before the note is durable counts as no delivery, for nobody can tell then.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::Engine;
use super::admission::decoded;
use super::derived_key::KeySource;
use crate::error::{Error, ErrorKind};
use crate::id::InvocationId;
use crate::journal::record::KeyUse;
use crate::store::{Batch, CommitError, Keyspace};

/// How long a note that could not be made waits.
const AGAIN: Duration = Duration::from_secs(1);

/// The invocations that an answer of has been written out, until their keys are gone from the store.
#[derive(Default)]
pub(super) struct Delivered(Mutex<HashSet<InvocationId>>);

impl Delivered {
    pub(super) fn has(&self, used: &KeyUse) -> bool {
        self.0.lock().contains(&InvocationId::from_bytes(used.invocation))
    }
}

/// An answer on its way to a client, of a call whose key lives until then. Dropped, it was not delivered.
#[must_use]
pub(crate) struct Delivery {
    engine: Arc<Engine>,
    invocation: InvocationId,
}

impl Delivery {
    /// The answer has been written out.
    pub(crate) fn written(self) {
        self.engine.delivered(self.invocation);
    }
}

impl Engine {
    /// What follows an answer of an invocation of this tool; `None` where delivery means nothing.
    pub(crate) fn delivery(self: &Arc<Self>, tool: &str, invocation: InvocationId) -> Option<Delivery> {
        let source = self.tools.get(tool)?.definition.idempotency;
        (source == Some(KeySource::Undelivered)).then(|| Delivery { engine: Arc::clone(self), invocation })
    }

    fn delivered(self: &Arc<Self>, id: InvocationId) {
        if !self.delivered.0.lock().insert(id) {
            return;
        }
        let engine = Arc::clone(self);
        // A clean stop waits for it.
        self.tasks.spawn(async move {
            tokio::select! {
                biased;
                () = engine.note_delivery(id) => {}
                () = engine.abandoning.said() => {}
            }
        });
    }

    async fn note_delivery(&self, id: InvocationId) {
        while let Err(error) = self.forget_delivered(id).await {
            tracing::warn!(invocation = %id, %error, "that an answer was delivered could not be noted");
            if error.kind() == ErrorKind::AskPerson || self.is_stopping() {
                return;
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    async fn forget_delivered(&self, id: InvocationId) -> Result<(), Error> {
        let admission = self.admission(id).await?;
        let key = admission.idempotency_key.as_deref().filter(|key| KeySource::Undelivered.made(key));
        let Some(row) = key.and_then(|_| self.key_row_of(&admission)) else {
            // The key is the client's own, and stays.
            self.delivered.0.lock().remove(&id);
            return Ok(());
        };
        let store = &self.surroundings.store;
        if let Some(bytes) = store.get(Keyspace::IdempotencyKey, row.clone()).await?
            && decoded::<KeyUse>(&bytes)?.invocation == *id.as_bytes()
        {
            let mut batch = Batch::default();
            batch.guard(Keyspace::IdempotencyKey, row.clone(), Some(bytes));
            batch.delete(Keyspace::IdempotencyKey, row.clone());
            match store.commit(batch).await {
                // It may belong to another invocation by now.
                Ok(()) | Err(CommitError::GuardFailed(_)) => {}
                Err(CommitError::Store(error)) => return Err(error.into()),
            }
        }
        // Whoever has read the row before it was deleted has looked at the set too when the lock is free.
        let _turn = self.key_locks.lock(&row).await;
        self.directory.forget_key(&row, id);
        self.delivered.0.lock().remove(&id);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
