//! Retention: what is forgotten some time after the end of an invocation, in small pieces beside the load.

use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use super::Engine;
use super::admission::decoded;
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind};
use crate::journal::record::{Admission, Ended, KeyUse};
use crate::store::{Batch, CommitError, Keyspace, Scan};

/// How often what is old is looked for.
const SWEEP: Duration = Duration::from_secs(60);
/// Rows deleted in one commit, so that cleaning up does not hold up calls.
const PIECE: usize = 100;

/// The index row of a key whose invocation ended then.
pub(super) fn ended_key(at: u64, key_row: &[u8]) -> Vec<u8> {
    let mut key = at.to_be_bytes().to_vec();
    key.extend_from_slice(key_row);
    key
}

impl Engine {
    /// The row of the idempotency key that an invocation was called with.
    pub(super) fn key_row_of(&self, admission: &Admission) -> Option<Vec<u8>> {
        let is_derived =
            self.tools.get(&admission.tool).is_some_and(|registered| registered.definition.idempotency.is_some());
        let key = admission.idempotency_key.as_deref()?;
        Some(super::admission::key_row(&admission.principal, &admission.tool, key, is_derived))
    }

    /// Whether a key may be used anew: its invocation ended long enough ago.
    pub(super) async fn is_over(&self, used: &KeyUse) -> Result<bool, Error> {
        let Some(ended) = self.surroundings.store.get(Keyspace::Result, used.invocation.to_vec()).await? else {
            return Ok(false);
        };
        let ended: Ended = decoded(&ended)?;
        Ok(self.keeps_keys_until(ended.at) <= self.surroundings.clock.now())
    }

    fn keeps_keys_until(&self, ended_at: u64) -> Timestamp {
        Timestamp::from_millis(ended_at).after(self.surroundings.limits.key_retention)
    }

    /// Forgets what is old now and then, until the server stops.
    pub(super) fn watch_retention(self: &Arc<Self>) {
        let engine = Arc::clone(self);
        self.in_background(async move {
            loop {
                tokio::time::sleep(SWEEP).await;
                if let Err(error) = engine.sweep_keys().await {
                    tracing::warn!(%error, "old idempotency keys could not be deleted");
                }
            }
        });
    }

    /// Deletes the keys whose time is over, and gives how many these were.
    pub(super) async fn sweep_keys(&self) -> Result<usize, Error> {
        let store = &self.surroundings.store;
        let mut swept = 0;
        loop {
            let scan = Scan {
                keyspace: Keyspace::EndedKey,
                lower: Bound::Unbounded,
                upper: Bound::Unbounded,
                descending: false,
                limit: PIECE,
            };
            let mut batch = Batch::default();
            let mut has_young = false;
            let page = store.scan(scan).await?;
            for (row, invocation) in &page {
                let Some((at, key)) = row.split_first_chunk::<8>() else {
                    return Err(Error::new(ErrorKind::AskPerson, "record_unreadable", "an ended key has no time"));
                };
                if self.keeps_keys_until(u64::from_be_bytes(*at)) > self.surroundings.clock.now() {
                    has_young = true;
                    break;
                }
                batch.delete(Keyspace::EndedKey, row.clone());
                let used = store.get(Keyspace::IdempotencyKey, key.to_vec()).await?;
                // It may belong to another invocation by now.
                if let Some(bytes) = used
                    && decoded::<KeyUse>(&bytes)?.invocation[..] == invocation[..]
                {
                    batch.guard(Keyspace::IdempotencyKey, key, Some(bytes));
                    batch.delete(Keyspace::IdempotencyKey, key);
                    swept += 1;
                }
            }
            if batch.writes.is_empty() {
                return Ok(swept);
            }
            match store.commit(batch).await {
                // A key was used anew at this moment: the rest comes with the next sweep.
                Ok(()) if !has_young => {}
                Ok(()) | Err(CommitError::GuardFailed(_)) => return Ok(swept),
                Err(CommitError::Store(error)) => return Err(error.into()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::Pin;
    use std::sync::atomic::{AtomicU64, Ordering};

    use serde_json::json;

    use super::*;
    use crate::clock::Clock;
    use crate::context::DurableContext;
    use crate::durable_tool;
    use crate::engine::{Answer, Call, Limits, Surroundings};
    use crate::error::ToolError;
    use crate::id::InvocationId;
    use crate::state::States;
    use crate::store::{GroupCommit, MemoryBackend};
    use crate::tool::Registry;
    use crate::uuid7::Generator;

    const DAY: u64 = 24 * 60 * 60 * 1000;

    /// A clock that stands where it is set.
    #[derive(Clone)]
    struct Set(Arc<AtomicU64>);

    impl Clock for Set {
        fn now(&self) -> Timestamp {
            Timestamp::from_millis(self.0.load(Ordering::SeqCst))
        }

        fn sleep_until(&self, _deadline: Timestamp) -> Pin<Box<dyn Future<Output = ()> + Send>> {
            Box::pin(std::future::pending())
        }
    }

    /// Adds one.
    #[durable_tool(crate = crate)]
    async fn add(_cx: &DurableContext, to: u32) -> Result<u32, ToolError> {
        Ok(to + 1)
    }

    async fn engine(rows: &MemoryBackend, clock: &Set) -> Arc<Engine> {
        let store = Arc::new(GroupCommit::new(rows.clone()).expect("a thread"));
        let limits = Limits::default();
        let surroundings = Surroundings { store, clock: Arc::new(clock.clone()), limits, audit_keys: Generator::new() };
        let registry = Registry::build(vec![Box::new(add())], States::default()).expect("sound tools");
        let engine = Engine::new(surroundings, registry, "test".into());
        engine.recover().await.expect("a readable store");
        engine
    }

    async fn call(engine: &Arc<Engine>, key: &str, to: u32) -> Result<InvocationId, String> {
        let call = Call {
            tool: "add".into(),
            arguments: json!({ "to": to }),
            principal: String::new(),
            origin: "local",
            idempotency_key: Some(key.into()),
            name: None,
        };
        let submitted = engine.submit(call).await.map_err(|refusal| format!("{refusal:?}"))?;
        let id = submitted.id;
        assert!(matches!(submitted.answer().await, Answer::Ended(_)));
        Ok(id)
    }

    async fn rows(engine: &Engine, keyspace: Keyspace) -> usize {
        let scan = Scan { keyspace, lower: Bound::Unbounded, upper: Bound::Unbounded, descending: false, limit: 1000 };
        engine.surroundings.store.scan(scan).await.expect("a readable store").len()
    }

    #[tokio::test]
    async fn a_key_is_known_for_a_day_after_the_end_and_is_then_one_for_a_new_call() {
        let (memory, clock) = (MemoryBackend::default(), Set(Arc::new(AtomicU64::new(DAY))));
        let engine = engine(&memory, &clock).await;
        let first = call(&engine, "k", 1).await.expect("admitted");
        clock.0.store(2 * DAY - 1, Ordering::SeqCst);
        assert_eq!(call(&engine, "k", 1).await, Ok(first));
        assert!(call(&engine, "k", 2).await.expect_err("a conflict").contains("idempotency_key_conflict"));
        clock.0.store(2 * DAY, Ordering::SeqCst);
        let second = call(&engine, "k", 2).await.expect("a new call");
        assert_ne!(second, first);
        assert_eq!(call(&engine, "k", 2).await, Ok(second));
        // The sweep that comes for the first call leaves the key to the second.
        assert_eq!(engine.sweep_keys().await.expect("a readable store"), 0);
        assert_eq!(call(&engine, "k", 2).await, Ok(second));
        assert_eq!((rows(&engine, Keyspace::EndedKey).await, rows(&engine, Keyspace::IdempotencyKey).await), (1, 1));
    }

    #[tokio::test]
    async fn keys_that_are_over_are_swept_in_pieces_and_no_others() {
        let (memory, clock) = (MemoryBackend::default(), Set(Arc::new(AtomicU64::new(DAY))));
        let engine = engine(&memory, &clock).await;
        for number in 0..250 {
            call(&engine, &format!("old {number}"), 1).await.expect("admitted");
        }
        clock.0.store(DAY + 1000, Ordering::SeqCst);
        let young = call(&engine, "young", 1).await.expect("admitted");
        clock.0.store(2 * DAY + 999, Ordering::SeqCst);
        assert_eq!(engine.sweep_keys().await.expect("a readable store"), 250);
        assert_eq!((rows(&engine, Keyspace::EndedKey).await, rows(&engine, Keyspace::IdempotencyKey).await), (1, 1));
        assert_eq!(call(&engine, "young", 1).await, Ok(young));
    }
}
