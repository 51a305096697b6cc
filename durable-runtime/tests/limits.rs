//! Every limit, with the error that it gives: each names what it is about, and in a call the step.

#![allow(clippy::unused_async, reason = "a step is an async function, whether it waits or not")]

mod support;

use std::time::Duration;

use durable_runtime::prelude::*;
use durable_runtime::store::MemoryBackend;
use durable_runtime::{ErrorKind, Limits, Server};
use serde_json::{Value, json};

use self::support::{HeldClock, Process, effect, effects, server, server_on, slow_server};

async fn text(cx: &StepContext, run: &str, bytes: usize) -> Result<String, ToolError> {
    effect(run, cx);
    Ok("x".repeat(bytes))
}

/// Makes steps, each with an outcome of so many bytes.
#[durable_tool]
async fn steps(cx: &DurableContext, run: String, rounds: u32, bytes: usize) -> Result<usize, ToolError> {
    let mut sum = 0;
    for round in 0..rounds {
        #[once(at_least, key = round)]
        let outcome = text(cx, &run, bytes).await?;
        sum += outcome.len();
    }
    Ok(sum)
}

/// Fails with so many bytes, for ever.
#[durable_tool]
async fn fails(cx: &DurableContext, run: String, bytes: usize) -> Result<u32, ToolError> {
    #[once(at_least, name = "call", retry(unlimited, initial = "1ms"))]
    let value = async {
        effect(&run, cx);
        Err::<u32, _>(ToolError::new("x".repeat(bytes)))
    }
    .await?;
    Ok(value)
}

const NOTES: SortedMap<String> = SortedMap::new("notes");

/// Gives so many bytes.
#[durable_tool]
async fn gives(_cx: &DurableContext, bytes: usize) -> Result<String, ToolError> {
    Ok("x".repeat(bytes))
}

/// Decides on so many bytes in transactions.
#[durable_tool]
async fn decides(cx: &DurableContext, rounds: u32, bytes: usize) -> Result<u32, ToolError> {
    for round in 0..rounds {
        cx.transaction(move |tx| {
            tx.insert(&NOTES, [(round.to_string(), "x".to_owned())])?;
            Ok::<_, ToolError>("x".repeat(bytes))
        })
        .await?;
    }
    Ok(rounds)
}

/// Sleeps.
#[durable_tool]
async fn sleeps(cx: &DurableContext) -> Result<u32, ToolError> {
    cx.sleep(Duration::from_secs(7200)).await;
    Ok(1)
}

async fn open(limits: Limits) -> Server {
    let server = server().limits(limits).tool(steps).tool(fails).tool(gives).tool(decides);
    server.open().await.expect("a server")
}

async fn refused(server: &Server, tool: &str, arguments: Value, key: &str) -> Error {
    server.call(tool, arguments).idempotency_key(key).await.expect_err("refused")
}

#[tokio::test]
async fn arguments_that_are_too_large_are_refused() {
    let mut limits = Limits::default();
    limits.argument_bytes = 50;
    let server = open(limits).await;
    let arguments = json!({ "run": "r".repeat(50), "rounds": 1, "bytes": 1 });
    let error = refused(&server, "steps", arguments, "k").await;
    assert_eq!((error.code(), error.kind()), ("arguments_too_large", ErrorKind::FixCall));
    assert!(error.message().contains("`steps`") && error.message().contains("50 is the most"), "{error}");
}

#[tokio::test]
async fn an_outcome_that_is_too_large_parks_and_names_its_step() {
    let mut limits = Limits::default();
    limits.outcome_bytes = 50;
    let server = open(limits).await;
    let error = refused(&server, "steps", json!({ "run": "outcome", "rounds": 1, "bytes": 60 }), "k").await;
    assert!(error.message().contains("(outcome_not_recordable)") && error.message().contains("`text[0]`"), "{error}");
    assert!(error.message().contains("62 bytes as JSON, and 50 is the most"), "{error}");
    let error = refused(&server, "gives", json!({ "bytes": 60 }), "k").await;
    assert!(error.message().contains("(result_too_large)") && error.message().contains("62 bytes"), "{error}");
}

#[tokio::test]
async fn steps_beyond_the_number_park_and_the_first_is_named() {
    let mut limits = Limits::default();
    limits.steps = 3;
    let server = open(limits).await;
    let error = refused(&server, "steps", json!({ "run": "number", "rounds": 4, "bytes": 1 }), "k").await;
    assert!(error.message().contains("(too_many_steps)") && error.message().contains("`text[3]`"), "{error}");
    assert_eq!(effects("number").len(), 3);
}

#[test]
fn a_journal_that_is_too_large_parks_at_the_next_step_and_goes_on_under_a_higher_limit() {
    let rows = MemoryBackend::default();
    let mut limits = Limits::default();
    limits.journal_bytes = 250;
    let arguments = json!({ "run": "journal", "rounds": 5, "bytes": 100 });
    let process = Process::start(server_on(rows.clone()).limits(limits).tool(steps));
    let error = process.runtime.block_on(refused(&process.server, "steps", arguments, "k"));
    assert!(error.message().contains("(journal_too_large)") && error.message().contains("`text[3]`"), "{error}");
    assert!(error.message().contains("250 is the most"), "{error}");
    // What had its effect is recorded.
    assert_eq!(effects("journal").len(), 3);
    process.runtime.block_on(process.server.shutdown());
    let process = Process::start(server_on(rows).tool(steps));
    let invocations = process.server.invocations();
    let value = process.runtime.block_on(async {
        let id = invocations.parked(None, 1).await.expect("a page").invocations[0].id;
        invocations.retry(id).await.expect("it runs");
        invocations.result(id).await.expect("a result").result
    });
    assert_eq!((value, effects("journal").len()), (Ok(json!(500)), 5));
}

#[tokio::test]
async fn failures_and_results_of_transactions_count_for_the_journal() {
    let mut limits = Limits::default();
    limits.journal_bytes = 1000;
    let server = open(limits).await;
    let error = refused(&server, "fails", json!({ "run": "failures", "bytes": 300 }), "k").await;
    assert!(error.message().contains("(journal_too_large)") && error.message().contains("`call`"), "{error}");
    assert_eq!(effects("failures").len(), 4);
    let error = refused(&server, "decides", json!({ "rounds": 100, "bytes": 300 }), "k").await;
    assert!(error.message().contains("(journal_too_large)") && error.message().contains("`transaction"), "{error}");
}

#[tokio::test]
async fn calls_beyond_the_number_are_told_to_come_again_and_one_that_left_makes_room() {
    let clock = HeldClock::default();
    let mut limits = Limits::default();
    limits.running = 1;
    // A wait that is kept in memory takes a place.
    limits.evict_after = Duration::from_secs(100_000);
    let server = server().clock(clock.clone()).limits(limits).tool(sleeps).tool(gives).open().await.expect("a server");
    let before = server.commit_counts();
    let first = tokio::spawn(server.call("sleeps", json!({})).idempotency_key("k").into_future());
    while server.commit_counts() == before {
        tokio::task::yield_now().await;
    }
    let busy = refused(&server, "gives", json!({ "bytes": 1 }), "other").await;
    assert_eq!((busy.code(), busy.kind()), ("busy", ErrorKind::Retry));
    clock.advance(Duration::from_secs(7200));
    assert_eq!(first.await.expect("no panic").expect("an answer").result, Ok(json!(1)));
    let answer = server.call("gives", json!({ "bytes": 1 })).idempotency_key("other").await.expect("an answer");
    assert_eq!(answer.result, Ok(json!("x")));
}

#[tokio::test]
async fn a_call_that_takes_too_long_ends_with_its_limit() {
    let mut limits = Limits::default();
    limits.timeout = Some(Duration::from_secs(60));
    let server = server().limits(limits).tool(sleeps).open().await.expect("a server");
    let failure = server.call("sleeps", json!({})).await.expect("an answer").result.expect_err("no value");
    assert_eq!(failure.code, Some("invocation_timed_out"));
    assert!(failure.message.contains("60s"), "{failure}");
}

/// Is never ready, in a step that does harm or not.
#[durable_tool]
async fn hangs(cx: &DurableContext, run: String) -> Result<u32, ToolError> {
    #[once(at_least, name = "hang", infallible)]
    let value = async {
        effect(&run, cx);
        std::future::pending::<u32>().await
    }
    .await;
    Ok(value)
}

/// Waits until a step of the run has begun so often.
fn seen(run: &str, times: usize) {
    while effects(run).len() < times {
        std::thread::yield_now();
    }
}

#[test]
fn of_two_suspects_only_the_one_that_kills_the_process_is_parked() {
    let rows = MemoryBackend::default();
    let clock = HeldClock::default();
    let start = || Process::start(slow_server(&rows).clock(clock.clone()).tool(hangs));
    let first = start();
    for run in ["harmful", "harmless"] {
        let call = first.server.call("hangs", json!({ "run": run })).idempotency_key(run);
        drop(first.runtime.spawn(call.into_future()));
        seen(run, 1);
    }
    first.kill();
    let second = start();
    seen("harmful", 2);
    seen("harmless", 2);
    second.kill();
    // Two deaths in a row: from now on it is one after the other, and the first is the one that does harm, at once.
    for death in 3..=10 {
        let process = start();
        seen("harmful", death);
        assert_eq!(effects("harmless").len(), 2, "its turn has not come");
        process.kill();
    }
    let last = start();
    seen("harmless", 3);
    let page = last.runtime.block_on(last.server.invocations().unfinished(None, 10)).expect("a page");
    let states: Vec<String> = page.invocations.iter().map(|found| found.state.to_string()).collect();
    assert!(states[0].contains("unclean_ends"), "{states:?}");
    assert_eq!(states[1], "runs, after 2 unclean ends in a row");
    assert_eq!(effects("harmful").len(), 10);
}

#[test]
fn a_suspect_that_shows_nothing_holds_the_next_one_up_for_its_turn_only() {
    let rows = MemoryBackend::default();
    let clock = HeldClock::default();
    let start = || Process::start(slow_server(&rows).clock(clock.clone()).tool(hangs));
    let first = start();
    for run in ["slow", "next"] {
        let call = first.server.call("hangs", json!({ "run": run })).idempotency_key(run);
        drop(first.runtime.spawn(call.into_future()));
        seen(run, 1);
    }
    first.kill();
    let second = start();
    seen("slow", 2);
    seen("next", 2);
    second.kill();
    let third = start();
    seen("slow", 3);
    assert_eq!(effects("next").len(), 2, "its turn has not come");
    clock.advance(Duration::from_secs(10));
    seen("next", 3);
    third.kill();
}
