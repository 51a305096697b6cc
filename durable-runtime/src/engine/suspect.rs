//! Suspects: invocations whose last runs ended uncleanly. One of them may be what ends the process, so that they are taken up one
//! after the other, and a death is counted for the one whose turn it was.

use std::sync::Arc;
use std::time::Duration;

use super::Engine;
use super::admission::decoded;
use super::answer::Answer;
use crate::error::Error;
use crate::id::InvocationId;
use crate::journal::codec;
use crate::journal::record::Unfinished;
use crate::store::{Batch, Keyspace};

/// From how many unclean ends in a row on.
pub(super) const SUSPECT: u32 = 2;

/// How long the next one waits for one that shows nothing: what does harm, does it at once.
const TURN: Duration = Duration::from_secs(10);

impl Engine {
    /// Takes up suspects, which are in the directory, one after the other.
    pub(super) fn take_up_suspects(self: &Arc<Self>, suspects: Vec<InvocationId>) {
        if suspects.is_empty() {
            return;
        }
        tracing::warn!(
            suspects = suspects.len(),
            "invocations whose last runs ended uncleanly are taken up one after the other"
        );
        let engine = Arc::clone(self);
        self.tasks.spawn(async move {
            for id in suspects {
                if engine.stopping.is_said() {
                    engine.directory.leave(id, Answer::Deferred("the server is stopping".into()));
                    continue;
                }
                engine.take_up_suspect(id).await;
            }
        });
    }

    /// Runs a suspect, until it has ended or left memory, has shown that it does better, or its turn is over.
    async fn take_up_suspect(self: &Arc<Self>, id: InvocationId) {
        if let Err(error) = self.mark_begun(id).await {
            // It is run all the same; a death that it causes is not counted.
            tracing::warn!(invocation = %id, %error, "the turn of a suspect is not recorded");
        }
        let proof = self.directory.suspect(id);
        self.execute(id, None);
        let Some(mut proof) = proof else { return };
        let clock = &self.surroundings.clock;
        tokio::select! {
            biased;
            _shown_or_gone = proof.wait_for(|shown| *shown) => {}
            () = clock.sleep_until(clock.now().after(TURN)) => {}
            () = self.stopping.said() => {}
        }
    }

    /// Makes it durable that a suspect runs, before it does.
    async fn mark_begun(&self, id: InvocationId) -> Result<(), Error> {
        let key = id.as_bytes().to_vec();
        let Some(row) = self.surroundings.store.get(Keyspace::Unfinished, key.clone()).await? else { return Ok(()) };
        let Unfinished::Suspect { unclean_ends, rows_then } = decoded(&row)? else { return Ok(()) };
        let running = Unfinished::Unclean { unclean_ends, rows_then, opening: self.opening() };
        let mut batch = Batch::default();
        batch.guard(Keyspace::Unfinished, key.clone(), Some(row));
        batch.put(Keyspace::Unfinished, key, codec::encode(&running));
        self.commit(batch).await
    }
}
