//! What becomes of unfinished calls when the server is gone and another one is opened on what it left.

#![allow(clippy::unused_async, reason = "a step is an async function, whether it waits or not")]

mod support;

use std::time::Duration;

use durable_runtime::prelude::*;
use durable_runtime::store::MemoryBackend;
use durable_runtime::{ErrorKind, Limits};
use serde_json::json;

use self::support::{Process, effect, effects, server_on, slow_server};

async fn fail_once(cx: &StepContext, run: &str) -> Result<u32, ToolError> {
    effect(run, cx);
    if cx.attempt() == 1 { Err(ToolError::new("not yet")) } else { Ok(cx.attempt()) }
}

/// Waits for an hour between two attempts.
#[durable_tool]
async fn waits(cx: &DurableContext, run: String) -> Result<u32, ToolError> {
    #[once(at_least, retry(attempts = 2, initial = "1h", max = "1h"))]
    let attempt = fail_once(cx, &run).await?;
    Ok(attempt)
}

/// Is never ready in its first step.
#[durable_tool]
async fn never_ready(cx: &DurableContext, run: String) -> Result<u32, ToolError> {
    #[once(at_least, name = "hang", infallible)]
    let value = async {
        effect(&run, cx);
        std::future::pending::<u32>().await
    }
    .await;
    Ok(value)
}

#[test]
fn a_call_that_only_waits_is_not_parked_however_often_the_server_is_killed() {
    // The wait is long, so that the invocation is taken out of memory, and then it is not.
    for (run, evict_after, commits_of_a_start) in [("evicted", 1, 1), ("kept in memory", 7200, 3)] {
        let rows = MemoryBackend::default();
        let mut limits = Limits::default();
        limits.evict_after = Duration::from_secs(evict_after);
        let server = || slow_server(&rows).limits(limits.clone()).tool(waits);
        let first = Process::start(server());
        first.begin("waits", json!({ "run": run }));
        // The opening, the secret, the admission, and the failure.
        first.wait_for_commits(4);
        first.kill();
        for _ in 0..12 {
            let process = Process::start(server());
            // The opening; in memory the unclean end is counted too, and the wait, when it is reached, takes that back.
            process.wait_for_commits(commits_of_a_start);
            process.kill();
        }
        let last = Process::start(server_on(rows.clone()).tool(waits));
        let call = last.server.call("waits", json!({ "run": run })).idempotency_key("k");
        let answer = last.runtime.block_on(call.into_future()).expect("an answer");
        assert_eq!(answer.result, Ok(json!(2)), "{run}");
        assert_eq!(effects(run), ["fail_once 1", "fail_once 2"], "{run}");
    }
}

#[test]
fn a_long_wait_takes_no_place_in_memory_and_ends_by_itself() {
    let rows = MemoryBackend::default();
    let mut limits = Limits::default();
    limits.running = 1;
    let first = Process::start(slow_server(&rows).limits(limits).tool(waits));
    for run in ["one", "two", "three"] {
        // There is one place, so each call gets in only when the one before has left its place.
        let deferred = loop {
            let call = first.server.call("waits", json!({ "run": run })).idempotency_key(run).into_future();
            let called = first.runtime.block_on(async { tokio::time::timeout(Duration::from_millis(50), call).await });
            match called {
                Ok(Err(error)) if error.code() == "busy" => {}
                called => break called,
            }
        };
        assert!(deferred.is_err(), "the caller is gone before the wait ends: {deferred:?}");
    }
    first.kill();
    let last = Process::start(server_on(rows).tool(waits));
    for run in ["one", "two", "three"] {
        while effects(run) != ["fail_once 1", "fail_once 2"] {
            std::thread::yield_now();
        }
    }
    last.kill();
}

#[test]
fn a_call_whose_process_dies_ten_times_while_it_runs_is_parked() {
    let rows = MemoryBackend::default();
    let first = Process::start(slow_server(&rows).tool(never_ready));
    first.begin("never_ready", json!({ "run": "never ready" }));
    let mut runs = 0;
    let mut process = first;
    loop {
        runs += 1;
        while effects("never ready").len() < runs {
            std::thread::yield_now();
        }
        process.kill();
        process = Process::start(slow_server(&rows).tool(never_ready));
        if runs == 10 {
            break;
        }
    }
    let call = process.server.call("never_ready", json!({ "run": "never ready" })).idempotency_key("k");
    let error = process.runtime.block_on(call.into_future()).expect_err("parked");
    assert_eq!((error.code(), error.kind()), ("invocation_parked", ErrorKind::AskPerson));
    assert!(error.message().contains("(unclean_ends)"), "{error}");
    assert_eq!(effects("never ready").len(), 10);
}

#[test]
fn a_call_of_a_tool_that_is_gone_waits_for_a_build_that_has_it() {
    let rows = MemoryBackend::default();
    let first = Process::start(slow_server(&rows).tool(waits));
    first.begin("waits", json!({ "run": "gone" }));
    first.wait_for_commits(4);
    first.kill();
    Process::start(slow_server(&rows).tool(never_ready)).kill();
    let last = Process::start(server_on(rows).tool(waits));
    let call = last.server.call("waits", json!({ "run": "gone" })).idempotency_key("k");
    let answer = last.runtime.block_on(call.into_future()).expect("an answer");
    assert_eq!(answer.result, Ok(json!(2)));
    assert_eq!(effects("gone"), ["fail_once 1", "fail_once 2"]);
}
