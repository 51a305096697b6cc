//! Batches of a call that has nothing else to do are committed in place, and no others.
#![allow(clippy::unused_async, reason = "a step is an async function, whether it waits or not")]

mod support;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use durable_runtime::prelude::*;
use durable_runtime::store::{
    Batch, Commit, CommitCounts, CommitError, GroupCommit, Keyspace, MemoryBackend, Read, Row, Scan, Store, StoreError,
    StoreFuture,
};
use durable_runtime::{ErrorKind, Limits, LocalResult, ServerBuilder};
use parking_lot::Mutex;
use serde_json::json;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use self::support::{server, slow_server};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    InPlace,
    ByTheWriter,
}

/// A store in memory that notes how batches of calls are brought to it.
struct Noting {
    store: GroupCommit<MemoryBackend>,
    ways: Arc<Mutex<Vec<Way>>>,
}

impl Noting {
    fn note(&self, batch: &Batch, way: Way) {
        if batch.writes.iter().any(|write| matches!(write.keyspace, Keyspace::Journal | Keyspace::Result)) {
            self.ways.lock().push(way);
        }
    }
}

impl Commit for Noting {
    fn commit(&self, batch: Batch) -> StoreFuture<'static, Result<(), CommitError>> {
        self.note(&batch, Way::ByTheWriter);
        self.store.commit(batch)
    }

    fn commit_in_place(&self, batch: Batch) -> StoreFuture<'static, Result<(), CommitError>> {
        self.note(&batch, Way::InPlace);
        self.store.commit_in_place(batch)
    }

    fn counts(&self) -> CommitCounts {
        self.store.counts()
    }
}

impl Read for Noting {
    fn get(&self, keyspace: Keyspace, key: Vec<u8>) -> StoreFuture<'_, Result<Option<Vec<u8>>, StoreError>> {
        self.store.get(keyspace, key)
    }

    fn get_many(
        &self,
        keyspace: Keyspace,
        keys: Vec<Vec<u8>>,
    ) -> StoreFuture<'_, Result<Vec<Option<Vec<u8>>>, StoreError>> {
        self.store.get_many(keyspace, keys)
    }

    fn scan(&self, scan: Scan) -> StoreFuture<'_, Result<Vec<Row>, StoreError>> {
        self.store.scan(scan)
    }

    fn count(&self, scan: Scan, except: BTreeSet<Vec<u8>>) -> StoreFuture<'_, Result<u64, StoreError>> {
        self.store.count(scan, except)
    }
}

impl Store for Noting {
    fn close(&self) -> StoreFuture<'_, ()> {
        self.store.close()
    }
}

async fn work(_cx: &StepContext) -> Result<u32, ToolError> {
    Ok(1)
}

async fn long_work(_cx: &StepContext) -> Result<u32, ToolError> {
    tokio::time::sleep(Duration::from_millis(200)).await;
    Ok(1)
}

/// Makes two steps.
#[durable_tool]
async fn two_steps(cx: &DurableContext) -> Result<u32, ToolError> {
    #[once(at_least, name = "first")]
    let first = work(cx).await?;
    #[once(at_most, name = "second")]
    let second = work(cx).await?;
    Ok(first + second)
}

#[durable]
async fn long_branch(cx: &DurableContext) -> Result<u32, ToolError> {
    #[once(at_least, name = "long")]
    let one = long_work(cx).await?;
    Ok(one)
}

#[durable]
async fn short_branch(cx: &DurableContext) -> Result<u32, ToolError> {
    #[once(at_most, name = "short")]
    let one = work(cx).await?;
    #[once(at_most, name = "short too")]
    let other = work(cx).await?;
    Ok(one + other)
}

/// Makes a long step beside two others.
#[durable_tool]
async fn beside(cx: &DurableContext) -> Result<u32, ToolError> {
    let (one, two) = try_join!(long_branch(cx), short_branch(cx))?;
    Ok(one + two)
}

async fn ways_of(tool: &str) -> Vec<Way> {
    let ways = Arc::new(Mutex::new(Vec::new()));
    let store = Noting { store: GroupCommit::new(MemoryBackend::default()).expect("threads"), ways: Arc::clone(&ways) };
    let server = server().custom_store(store).tool(two_steps).tool(beside).open().await.expect("a server");
    server.call(tool, json!({})).await.expect("an answer").result.expect("a value");
    ways.lock().clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_with_nothing_else_to_do_commits_in_place() {
    assert_eq!(ways_of("two_steps").await, [Way::InPlace; 3]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attempt_that_is_under_way_is_not_held_up_by_a_commit() {
    // The starts of both branches; the other one's outcomes beside the long attempt; the end.
    use Way::{ByTheWriter, InPlace};
    assert_eq!(ways_of("beside").await, [InPlace, ByTheWriter, ByTheWriter, InPlace]);
}

#[durable]
async fn steps_without_end(cx: &DurableContext) -> Result<u32, ToolError> {
    let mut sum = 0;
    for round in 0..10_000_000 {
        #[once(at_most, key = round)]
        let one = work(cx).await?;
        sum += one;
    }
    Ok(sum)
}

/// Makes more steps than anybody waits for.
#[durable_tool]
async fn endless(cx: &DurableContext) -> Result<u32, ToolError> {
    steps_without_end(cx).await
}

/// Makes more steps than there is time for.
#[durable_tool(timeout = "100ms")]
async fn too_long(cx: &DurableContext) -> Result<u32, ToolError> {
    steps_without_end(cx).await
}

/// A server on the machine's clock, for calls with as many steps as they like.
fn unlimited() -> ServerBuilder {
    let mut limits = Limits::default();
    limits.steps = usize::MAX;
    slow_server(&MemoryBackend::default()).limits(limits).tool(endless).tool(too_long)
}

const SOON: Duration = Duration::from_secs(10);

/// Begins a call of `endless`, and gives it when some of its steps are durable.
async fn begun(server: &Server) -> JoinHandle<Result<LocalResult, Error>> {
    let before = server.commit_counts().groups;
    let call = tokio::spawn({
        let server = server.clone();
        async move { server.call("endless", json!({})).await }
    });
    while server.commit_counts().groups < before + 100 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    call
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_never_waits_hears_that_the_server_stops() {
    let server = unlimited().open().await.expect("a server");
    let call = begun(&server).await;
    timeout(SOON, server.shutdown()).await.expect("it stops at once");
    let deferred = call.await.expect("no panic").expect_err("the server stopped");
    assert_eq!((deferred.kind(), deferred.code()), (ErrorKind::Retry, "invocation_deferred"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_never_waits_is_cancelled_and_has_its_time() {
    let server = unlimited().open().await.expect("a server");
    let call = begun(&server).await;
    let unfinished = server.invocations().unfinished(None, 1).await.expect("a list");
    let id = unfinished.invocations[0].id;
    timeout(SOON, server.invocations().cancel(id, "nobody waits")).await.expect("at once").expect("cancelled");
    let cancelled = call.await.expect("no panic").expect("an answer").result.expect_err("it is cancelled");
    assert_eq!(cancelled.code, Some("invocation_cancelled"));
    let late = timeout(SOON, server.call("too_long", json!({}))).await.expect("at once").expect("an answer");
    assert_eq!(late.result.expect_err("it is too late").code, Some("invocation_timed_out"));
    server.shutdown().await;
}
