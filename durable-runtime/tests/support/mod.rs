//! What the tests of the engine share: a witness of effects, a clock that jumps, a store that fails when told to.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::collections::{BTreeSet, HashMap};
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use durable_runtime::prelude::*;
use durable_runtime::store::{Batch, GroupCommit, Keyspace, MemoryBackend, Row, Scan, StoreError, SyncBackend};
use durable_runtime::{Clock, ServerBuilder, Timestamp};
use tokio::runtime::Runtime;
use tokio::sync::watch;

static EFFECTS: Mutex<Option<HashMap<String, Vec<String>>>> = Mutex::new(None);

/// Has an effect that the test `run` can see.
pub(crate) fn effect(run: &str, cx: &StepContext) {
    let line = format!("{} {}", cx.step(), cx.attempt());
    let mut effects = EFFECTS.lock().unwrap_or_else(PoisonError::into_inner);
    effects.get_or_insert_default().entry(run.to_owned()).or_default().push(line);
}

/// All effects of the test `run`, as `step attempt`.
pub(crate) fn effects(run: &str) -> Vec<String> {
    let mut effects = EFFECTS.lock().unwrap_or_else(PoisonError::into_inner);
    effects.get_or_insert_default().get(run).cloned().unwrap_or_default()
}

/// A clock on which waiting takes no time: it jumps to what is waited for.
#[derive(Clone, Default)]
pub(crate) struct JumpingClock(Arc<AtomicU64>);

impl Clock for JumpingClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000 + self.0.load(Ordering::SeqCst))
    }

    fn sleep_until(&self, deadline: Timestamp) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let passed = deadline.as_millis().saturating_sub(1_700_000_000_000);
        self.0.fetch_max(passed, Ordering::SeqCst);
        Box::pin(tokio::task::yield_now())
    }
}

/// A clock that stands still until the test moves it.
#[derive(Clone)]
pub(crate) struct HeldClock(Arc<watch::Sender<u64>>);

impl Default for HeldClock {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(0)))
    }
}

impl HeldClock {
    pub(crate) fn advance(&self, by: Duration) {
        let millis = u64::try_from(by.as_millis()).expect("a short time");
        self.0.send_modify(|passed| *passed += millis);
    }

    pub(crate) fn passed(&self) -> Duration {
        Duration::from_millis(*self.0.borrow())
    }
}

impl Clock for HeldClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000 + *self.0.borrow())
    }

    fn sleep_until(&self, deadline: Timestamp) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let until = deadline.as_millis().saturating_sub(1_700_000_000_000);
        let mut passed = self.0.subscribe();
        Box::pin(async move {
            if passed.wait_for(|passed| *passed >= until).await.is_err() {
                // The test is over.
                std::future::pending::<()>().await;
            }
        })
    }
}

/// A store in memory that fails when it is told to.
#[derive(Clone, Default)]
pub(crate) struct FaultyBackend {
    pub(crate) rows: MemoryBackend,
    pub(crate) fails: Arc<AtomicBool>,
    /// How often it has.
    pub(crate) failures: Arc<AtomicUsize>,
}

impl FaultyBackend {
    fn check(&self) -> Result<(), StoreError> {
        if self.fails.load(Ordering::SeqCst) {
            self.failures.fetch_add(1, Ordering::SeqCst);
            return Err(StoreError::unavailable("the disk is full"));
        }
        Ok(())
    }
}

impl SyncBackend for FaultyBackend {
    fn get(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.check()?;
        self.rows.get(keyspace, key)
    }

    fn get_many(&self, keyspace: Keyspace, keys: &[Vec<u8>]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        self.check()?;
        self.rows.get_many(keyspace, keys)
    }

    fn scan(&self, scan: &Scan) -> Result<Vec<Row>, StoreError> {
        self.check()?;
        self.rows.scan(scan)
    }

    fn count(&self, scan: &Scan, except: &BTreeSet<Vec<u8>>) -> Result<u64, StoreError> {
        self.check()?;
        self.rows.count(scan, except)
    }

    fn commit_group(&self, group: &[&Batch]) -> Result<Vec<Result<(), usize>>, StoreError> {
        self.check()?;
        self.rows.commit_group(group)
    }

    fn close(&self) {}
}

/// A server in memory with a jumping clock, before its tools.
pub(crate) fn server() -> ServerBuilder {
    server_on(MemoryBackend::default())
}

/// The same on rows that are there.
pub(crate) fn server_on(backend: impl SyncBackend) -> ServerBuilder {
    let store = GroupCommit::new(backend).expect("a thread");
    Server::builder("test", "0").custom_store(store).clock(JumpingClock::default())
}

/// The machine's clock, on which an hour is long.
pub(crate) fn slow_server(rows: &MemoryBackend) -> ServerBuilder {
    Server::builder("test", "0").custom_store(GroupCommit::new(rows.clone()).expect("a thread"))
}

/// A server process that can be killed: everything that runs in it is dropped where it stands.
pub(crate) struct Process {
    pub(crate) runtime: Runtime,
    pub(crate) server: Server,
}

impl Process {
    pub(crate) fn start(builder: ServerBuilder) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let server = runtime.block_on(builder.open()).expect("a server");
        Self { runtime, server }
    }

    /// Makes a call that nobody waits for.
    pub(crate) fn begin(&self, tool: &str, arguments: serde_json::Value) {
        let call = self.server.call(tool, arguments).idempotency_key("k");
        drop(self.runtime.spawn(call.into_future()));
    }

    /// Waits until the store has made this many commits since it was opened. The opening is one, and so is the secret of
    /// a new store.
    pub(crate) fn wait_for_commits(&self, groups: u64) {
        while self.server.commit_counts().groups < groups {
            std::thread::yield_now();
        }
    }

    pub(crate) fn kill(self) {
        self.runtime.shutdown_background();
    }
}
