//! Deadlines: when invocations are to have ended.

use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use super::Engine;
use super::admission::decoded;
use super::look::READ_AT_ONCE;
use super::recovery::invocation_id;
use crate::clock::Timestamp;
use crate::error::Error;
use crate::id::InvocationId;
use crate::journal::record::Unfinished;
use crate::store::Keyspace;

/// How long to wait before deadlines are read that could not be.
const PAUSE: Duration = Duration::from_secs(1);

/// When an invocation is to have ended: a function of its admission and of what this build says of its tool.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    pub(crate) at: Timestamp,
    pub(super) limit: Duration,
}

impl Engine {
    /// When an invocation of this tool is to have ended, as this build says.
    pub(super) fn deadline(&self, tool: &str, admitted_at: u64) -> Option<Deadline> {
        let own = self.tools.get(tool).and_then(|registered| registered.definition.timeout);
        let limit = own.or(self.surroundings.limits.timeout)?;
        Some(Deadline { at: Timestamp::from_millis(admitted_at).after(limit), limit })
    }

    /// Sees to it, beside the start, that invocations outside of memory are run when their deadlines come: these may be nearer in
    /// this build than in the one that wrote their rows.
    pub(super) fn watch_deadlines(self: &Arc<Self>) {
        let timeouts = self.tools.iter().filter_map(|registered| registered.definition.timeout);
        if timeouts.chain(self.surroundings.limits.timeout).next().is_none() {
            return;
        }
        let engine = Arc::clone(self);
        self.in_background(async move {
            while let Err(error) = engine.set_deadlines().await {
                tracing::warn!(%error, "the deadlines of waiting invocations could not be read, and are read again");
                tokio::time::sleep(PAUSE).await;
            }
        });
    }

    async fn set_deadlines(&self) -> Result<(), Error> {
        let mut after = Bound::Unbounded;
        loop {
            let page = self.page(Keyspace::Unfinished, after, Bound::Unbounded).await?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            after = Bound::Excluded(last.clone());
            let mut waiting = Vec::new();
            for (key, row) in page {
                if let Some(wake_at) = decoded::<Unfinished>(&row)?.wake_at() {
                    waiting.push((invocation_id(&key)?, Timestamp::from_millis(wake_at)));
                }
            }
            for piece in waiting.chunks(READ_AT_ONCE) {
                let ids: Vec<InvocationId> = piece.iter().map(|(id, _)| *id).collect();
                for ((id, wake_at), admission) in piece.iter().zip(self.admissions(&ids).await?) {
                    // What is damaged is seen when the invocation is run.
                    let Ok(admission) = admission else { continue };
                    if let Some(deadline) = self.deadline(&admission.tool, admission.at)
                        && deadline.at < *wake_at
                    {
                        self.timers.set(deadline.at, *id);
                    }
                }
            }
        }
    }
}
