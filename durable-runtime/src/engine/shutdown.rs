//! Stopping: attempts that run may end, nothing new begins, and the store is closed.

use std::time::Duration;

use super::Engine;
use super::recovery::CLEANLY_STOPPED;
use crate::store::{Batch, Keyspace};

impl Engine {
    /// Stops. Attempts that are running get `grace` to end; after that they are dropped as in a crash. Everything
    /// unfinished goes on when a server is started on the store again.
    pub(crate) async fn stop(&self, grace: Duration) {
        self.stopping.say();
        self.tasks.close();
        let ended_in_time = tokio::time::timeout(grace, self.tasks.wait()).await.is_ok();
        if !ended_in_time {
            tracing::warn!(
                running = self.directory.len(),
                "attempts still run after the grace period, and are dropped"
            );
            self.abandoning.say();
            self.tasks.wait().await;
        }
        let mut batch = Batch::default();
        batch.put(Keyspace::Meta, CLEANLY_STOPPED, Vec::new());
        if self.surroundings.store.commit(batch).await.is_err() {
            tracing::warn!("the clean stop was not recorded; the next start counts as one after a crash");
        }
        self.surroundings.store.close().await;
    }

    /// Drops everything where it stands, as the death of the process would. Nothing is recorded of it.
    #[cfg(feature = "testing")]
    pub(crate) async fn die(&self) {
        self.abandoning.say();
        self.stopping.say();
        self.tasks.close();
        self.tasks.wait().await;
    }
}
