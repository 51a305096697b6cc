//! The stores that releases have written are opened by this one, and everything in them goes on. `tests/golden/README.md` says
//! how a store is added; those that are there stay as they are.

#![allow(clippy::unused_async, reason = "a step is an async function, whether it waits or not")]

#[path = "golden/tools.rs"]
mod golden;
mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use durable_runtime::prelude::*;
use durable_runtime::{AuditQuery, ErrorKind, InvocationState, Invocations, StepOutcome};
use serde_json::{Value, json};

use self::golden::{FACTS, STOCK, post, server};
use self::support::{HeldClock, effects};

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

async fn called(server: &Server, tool: &str, arguments: Value, key: &str) -> Result<Value, String> {
    let answer = server.call(tool, arguments).idempotency_key(key).await.map_err(|error| error.to_string())?;
    answer.result.map_err(|failure| failure.message)
}

async fn ended(invocations: &Invocations) -> usize {
    invocations.ended(None, 1000).await.expect("a page").invocations.len()
}

/// All that the store of 0.1 has.
async fn goes_on(server: &Server, clock: &HeldClock) {
    let invocations = server.invocations();
    assert_eq!(ended(&invocations).await, 9);
    assert_eq!(server.validate().await.expect("a readable store"), []);
    assert_eq!(server.unfit().await.expect("a readable store"), []);
    let listed = invocations.unfinished(None, 1000).await.expect("a page");
    for invocation in listed.invocations.iter().chain(&invocations.ended(None, 1000).await.expect("a page").invocations)
    {
        let explained = invocations.explain(invocation.id).await.expect("a readable journal").to_string();
        assert!(!explained.contains("4242"), "{explained}");
    }

    // What has ended, with its keys.
    let sell = |order: &str| json!({ "order": order, "card": "4242" });
    assert_eq!(called(server, "sell", sell("sold"), "sold").await, Ok(json!(11)));
    let conflict = called(server, "sell", sell("other"), "sold").await.expect_err("another order");
    assert!(conflict.starts_with("idempotency_key_conflict"), "{conflict}");
    assert_eq!(called(server, "fail", json!({ "order": "tea" }), "failed").await, Err("there is no tea".into()));
    assert_eq!(called(server, "refuse", json!({}), "refused").await, Err("not today".into()));
    let shown = called(server, "show", json!({}), "shown").await;
    assert_eq!(shown, Ok(json!([{ "type": "text", "text": "a page" }])));
    assert!(called(server, "dawdle", json!({}), "late").await.expect_err("late").contains("timeout of 1s"));
    let cancelled = called(server, "sleep", json!({ "order": "cancelled" }), "cancelled").await;
    assert!(cancelled.expect_err("cancelled").contains("nobody waits"));
    assert_eq!(called(server, "print", json!({ "order": "resolved" }), "resolved").await, Ok(json!(4)));
    assert_eq!(called(server, "print", json!({ "order": "completed" }), "completed").await, Ok(json!(9)));
    for order in ["sold", "tea", "resolved", "completed"] {
        assert_eq!(effects(order), [""; 0], "nothing of it is run again");
    }

    // What has not.
    let stalled = json!({ "order": "stalled", "card": "4242", "stalls": true });
    assert_eq!(called(server, "sell", stalled, "stalled").await, Ok(json!(11)));
    assert_eq!(effects("stalled"), ["ship 1"]);
    let parked = invocations.parked(None, 10).await.expect("a page").invocations;
    assert_eq!(parked.len(), 1);
    assert!(matches!(&parked[0].state, InvocationState::Parked { code, .. } if code == "outcome_not_recordable"));
    invocations.resolve(parked[0].id, "print", StepOutcome::Value(json!("page"))).await.expect("it runs");
    assert_eq!(called(server, "print", json!({ "order": "parked" }), "parked").await, Ok(json!(4)));

    // Tables and the audit log.
    let rows = STOCK.range(&server.store(), "s".., 10).await.expect("a readable table");
    let rows: Vec<(&str, u32)> = rows.iter().map(|(key, value)| (key.as_str(), *value)).collect();
    assert_eq!(rows, [("sold", 3), ("sold sold", 7), ("stalled", 3), ("stalled sold", 7)]);
    let log = AuditLog::new("orders");
    let entries = log.query(&server.store(), AuditQuery::default()).await.expect("a readable log").entries;
    let charged = entries.iter().filter(|entry| entry.get("action").is_some()).count();
    // A sale, its fork, and one that has just ended.
    assert_eq!((charged, entries.len() - charged), (2, 3));
    assert!(!serde_json::to_string(&entries).expect("JSON").contains("4242"));

    // A session goes on.
    let session = FACTS.get(&server.store(), "session").await.expect("a readable table").expect("a session");
    let listening = server.listen("127.0.0.1:0").await.expect("an address");
    let address = listening.local_addr();
    let serving = tokio::spawn(listening.serve());
    let listed = tokio::task::spawn_blocking(move || {
        let list = r#"{"jsonrpc":"2.0","id":9,"method":"tools/list"}"#;
        post(address, Some(&session), list, "\"dawdle\"")
    });
    assert!(listed.await.expect("no panic").starts_with("HTTP/1.1 200"));
    serving.abort();

    // Timers, and a question that nobody answers.
    clock.advance(Duration::from_secs(3600));
    let slept = called(server, "sleep", json!({ "order": "asleep" }), "asleep").await.expect("a value");
    assert!(slept.as_u64() >= Some(3_600_000), "{slept}");
    assert_eq!(effects("asleep"), ["wake 1"]);
    let asking = invocations.unfinished(None, 10).await.expect("a page").invocations;
    assert_eq!((asking.len(), asking[0].tool.as_str()), (1, "ask"));
    clock.advance(Duration::from_secs(24 * 60 * 60));
    let answer = invocations.result(asking[0].id).await.expect("an answer").result.expect("a value");
    assert!(answer.as_str().is_some_and(|text| text.starts_with("unanswered")), "{answer}");
    assert_eq!(effects("asked"), [""; 0]);
}

#[tokio::test]
async fn everything_in_the_store_of_an_earlier_release_goes_on() {
    let golden = directory().join("0.1/store.redb");
    let copy = tempfile::tempdir().expect("a directory");
    let path = copy.path().join("store.redb");
    fs::copy(&golden, &path).expect("the store of the release");
    let clock = HeldClock::default();
    // It was written until two seconds later.
    clock.advance(Duration::from_secs(2));
    let server = server(&clock).store(&path).open().await.expect("a readable store");
    goes_on(&server, &clock).await;
    server.shutdown().await;
    let again = self::server(&clock).store(&path).open().await.expect("a readable store");
    assert_eq!(ended(&again.invocations()).await, 13);
    again.shutdown().await;
}

#[tokio::test]
async fn a_store_of_a_newer_format_is_refused_and_not_a_byte_of_it_changes() {
    let copy = tempfile::tempdir().expect("a directory");
    let path = copy.path().join("store.redb");
    fs::copy(directory().join("0.1/store.redb"), &path).expect("the store of the release");
    let database = redb::Database::open(&path).expect("a database");
    let transaction = database.begin_write().expect("a transaction");
    let meta = redb::TableDefinition::<&[u8], &[u8]>::new("meta");
    let newer = 2_u32.to_be_bytes();
    transaction.open_table(meta).expect("a table").insert(b"format".as_slice(), newer.as_slice()).expect("a row");
    transaction.commit().expect("committed");
    drop(database);
    let before = fs::read(&path).expect("a file");
    let clock = HeldClock::default();
    let error = server(&clock).store(&path).open().await.expect_err("a newer format");
    assert_eq!((error.code(), error.kind()), ("store_format_newer", ErrorKind::AskPerson));
    assert!(error.message().contains("has format 2") && error.message().contains("up to 1"), "{error}");
    assert!(fs::read(&path).expect("a file") == before, "the file was written to");
}

#[test]
fn every_golden_store_is_tested() {
    let names = fs::read_dir(directory()).expect("a directory").map(|entry| entry.expect("an entry").file_name());
    let mut releases: Vec<String> = names.filter_map(|name| name.into_string().ok()).collect();
    releases.retain(|name| name.starts_with(|first: char| first.is_ascii_digit()));
    assert_eq!(releases, ["0.1"], "a store of another release needs a test of its own, in this file");
}
