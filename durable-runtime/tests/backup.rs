//! A backup of a running server: a store as of one moment.

#![allow(clippy::unused_async, reason = "a step is an async function, whether it waits or not")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use durable_runtime::Store;
use durable_runtime::prelude::*;
use serde_json::json;

const LEFT: SortedMap<u64> = SortedMap::new("left");
const RIGHT: SortedMap<u64> = SortedMap::new("right");

async fn write(cx: &StepContext, number: u64) -> Result<u64, ToolError> {
    LEFT.insert(cx, [(format!("{number:08}"), number)]).await?;
    RIGHT.insert(cx, [(format!("{number:08}"), number)]).await?;
    Ok(number)
}

/// Writes into two tables, in one step.
#[durable_tool]
async fn put(cx: &DurableContext, number: u64) -> Result<u64, ToolError> {
    #[once(at_least)]
    let written = write(cx, number).await?;
    Ok(written)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_under_load_has_what_was_acknowledged_before_it_and_nothing_by_halves() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = |name: &str| directory.path().join(name);
    let server = Server::builder("test", "0").store(file("a.redb")).tool(put).open().await.expect("a server");
    let (next, acknowledged) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let load: Vec<_> = (0..8)
        .map(|_| {
            let (server, next, acknowledged) = (server.clone(), Arc::clone(&next), Arc::clone(&acknowledged));
            tokio::spawn(async move {
                loop {
                    let number = next.fetch_add(1, Ordering::SeqCst);
                    let call = server.call("put", json!({ "number": number })).idempotency_key(number.to_string());
                    call.await.expect("an answer").result.expect("a result");
                    acknowledged.fetch_add(1, Ordering::SeqCst);
                }
            })
        })
        .collect();
    let mut before = Vec::new();
    for name in ["b.redb", "c.redb"] {
        let enough = acknowledged.load(Ordering::SeqCst) + 100;
        while acknowledged.load(Ordering::SeqCst) < enough {
            tokio::task::yield_now().await;
        }
        before.push(acknowledged.load(Ordering::SeqCst));
        server.store().backup(file(name)).await.expect("a backup");
    }
    for task in load {
        task.abort();
    }
    server.shutdown().await;
    for (name, before) in ["b.redb", "c.redb"].into_iter().zip(before) {
        let restored = Server::builder("test", "0").store(file(name)).tool(put).open().await.expect("a server");
        let store = restored.store();
        // Calls that had not ended go on meanwhile: both are of one moment when the first is as before.
        let (left, right) = loop {
            let left = LEFT.count(&store, ..).await.expect("read");
            let right = RIGHT.count(&store, ..).await.expect("read");
            if left == LEFT.count(&store, ..).await.expect("read") {
                break (left, right);
            }
        };
        assert!(left >= before, "{left} of {before}");
        assert_eq!(left, right);
        // A call from before is known, and is not made again.
        let call = restored.call("put", json!({ "number": 0 })).idempotency_key("0").await.expect("an answer");
        assert!(call.is_replayed);
        restored.shutdown().await;
    }
}

#[tokio::test]
async fn a_store_that_is_no_file_says_that_it_has_no_backups() {
    let store = Store::in_memory().expect("a store");
    let directory = tempfile::tempdir().expect("a directory");
    let refused = store.backup(directory.path().join("b.redb")).await.expect_err("in memory");
    assert_eq!(refused.code(), "backup_unsupported");
}
