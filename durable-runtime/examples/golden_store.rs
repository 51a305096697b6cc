//! Writes the golden store of a release, `cargo run -p durable-runtime --example golden_store -- FILE`. It overwrites nothing:
//! see `tests/golden/README.md`.

#![allow(clippy::unused_async, missing_docs, reason = "it is made of parts of the tests")]

#[path = "../tests/golden/tools.rs"]
mod golden;
#[path = "../tests/support/mod.rs"]
mod support;

use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Duration;

use durable_runtime::StepOutcome;
use durable_runtime::prelude::*;
use serde_json::{Value, json};

use self::golden::{FACTS, HANGS, post, server};
use self::support::{HeldClock, effects};

async fn call(server: &Server, tool: &str, arguments: Value, key: &str) {
    let answer = server.call(tool, arguments).idempotency_key(key).await;
    println!("{tool} {key}: {:?}", answer.map(|answer| answer.result));
}

/// Begins a call that nobody waits for, and lets it be admitted.
async fn begin(server: &Server, tool: &str, arguments: Value, key: &str) {
    let before = server.commit_counts().batches;
    drop(tokio::spawn(server.call(tool, arguments).idempotency_key(key).into_future()));
    while server.commit_counts().batches == before {
        tokio::task::yield_now().await;
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = PathBuf::from(std::env::args_os().nth(1).ok_or("name the file that is to be written")?);
    if path.exists() {
        return Err(format!("`{}` exists, and a golden store is never written anew", path.display()).into());
    }
    HANGS.store(true, Ordering::SeqCst);
    let clock = HeldClock::default();
    let server = server(&clock).store(&path).open().await?;
    let invocations = server.invocations();

    // Calls that end.
    begin(&server, "sell", json!({ "order": "sold", "card": "4242" }), "sold").await;
    while !effects("sold").contains(&"ship 2".to_owned()) {
        // The backoff between the attempts.
        clock.advance(Duration::from_millis(1));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    call(&server, "sell", json!({ "order": "sold", "card": "4242" }), "sold").await;
    call(&server, "fail", json!({ "order": "tea" }), "failed").await;
    call(&server, "refuse", json!({}), "refused").await;
    call(&server, "show", json!({}), "shown").await;
    begin(&server, "dawdle", json!({}), "late").await;
    clock.advance(Duration::from_millis(1500));
    call(&server, "dawdle", json!({}), "late").await;

    // What people do.
    for order in ["resolved", "completed", "parked"] {
        call(&server, "print", json!({ "order": order }), order).await;
    }
    let parked = invocations.parked(None, 10).await?.invocations;
    invocations.retry(parked[0].id).await?;
    println!("{:?}", invocations.result(parked[0].id).await);
    invocations.resolve(parked[0].id, "print", StepOutcome::Value(json!("page"))).await?;
    println!("{:?}", invocations.result(parked[0].id).await);
    invocations.complete(parked[1].id, Ok(json!(9))).await?;
    let sold = invocations.ended(None, 100).await?.invocations.pop().ok_or("the sale has ended")?;
    let fork = invocations.fork_with(sold.id, "ship", StepOutcome::Value(json!(2))).await?;
    println!("{:?}", invocations.result(fork).await);
    begin(&server, "sleep", json!({ "order": "cancelled" }), "cancelled").await;
    let page = invocations.unfinished(None, 100).await?;
    let asleep = page.invocations.last().ok_or("it sleeps")?;
    println!("{:?}", invocations.cancel(asleep.id, "nobody waits").await);

    // Calls that do not end.
    begin(&server, "sleep", json!({ "order": "asleep" }), "asleep").await;
    begin(&server, "sell", json!({ "order": "stalled", "card": "4242", "stalls": true }), "stalled").await;
    while !effects("stalled").contains(&"ship 1".to_owned()) {
        tokio::task::yield_now().await;
    }

    // A session, with a call that asks.
    let listening = server.listen("127.0.0.1:0").await?;
    let address = listening.local_addr();
    let serving = tokio::spawn(listening.serve());
    let session = tokio::task::spawn_blocking(move || {
        let initialize = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25",
            "capabilities":{"elicitation":{}},"clientInfo":{"name":"golden","version":"1"}}}"#;
        let response = post(address, None, initialize, "serverInfo");
        let header = response.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("mcp-session-id").then(|| value.trim().to_owned())
        });
        let session = header.unwrap_or_else(|| panic!("a session: {response}"));
        let initialized = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
        post(address, Some(&session), initialized, "HTTP/1.1 202");
        let ask =
            r#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"ask","arguments":{"order":"asked"}}}"#;
        post(address, Some(&session), ask, "elicitation/create");
        session
    })
    .await?;
    serving.abort();
    FACTS.insert(&server.store(), [("session", session)]).await?;
    for found in invocations.unfinished(None, 100).await?.invocations {
        println!("{}", invocations.explain(found.id).await?);
    }
    println!("{} have ended", invocations.ended(None, 100).await?.invocations.len());
    server.shutdown().await;

    let mut database = redb::Database::open(&path)?;
    while database.compact()? {}
    drop(database);
    println!("{} bytes", std::fs::metadata(&path)?.len());
    Ok(())
}
