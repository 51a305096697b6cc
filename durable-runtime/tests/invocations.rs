//! What a person does with invocations that do not go on by themselves.

#![allow(clippy::unused_async, reason = "a step is an async function, whether it waits or not")]

mod support;

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use durable_runtime::prelude::*;
use durable_runtime::store::MemoryBackend;
use durable_runtime::{
    ErrorKind, InvocationId, InvocationState, Invocations, Limits, Server, StepOutcome, StepState, WaitReason,
};
use serde_json::{Value, json};

use self::support::{HeldClock, Process, effect, effects, server, server_on, slow_server};

/// Runs whose world has been mended.
static MENDED: Mutex<Option<HashSet<String>>> = Mutex::new(None);

fn mend(run: &str) {
    MENDED.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_default().insert(run.to_owned());
}

fn is_mended(run: &str) -> bool {
    MENDED.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_default().contains(run)
}

async fn work(cx: &StepContext, run: &str) -> Result<u32, ToolError> {
    effect(run, cx);
    Ok(7)
}

/// Panics between its steps, until its world is mended.
#[durable_tool]
async fn fragile(cx: &DurableContext, run: String) -> Result<u32, ToolError> {
    #[once(at_most, name = "before")]
    let before = work(cx, &run).await?;
    // What one poll has produced is kept together, or not at all.
    cx.sleep(Duration::from_millis(1)).await;
    assert_mended(&run);
    #[once(at_least, name = "after")]
    let after = work(cx, &run).await?;
    Ok(before + after)
}

fn assert_mended(run: &str) {
    assert!(is_mended(run), "the world is broken");
}

/// Has an outcome that is too large.
#[durable_tool]
async fn too_large(cx: &DurableContext, run: String) -> Result<usize, ToolError> {
    #[once(at_most, name = "charge")]
    let receipt = async {
        effect(&run, cx);
        Ok::<_, ToolError>("r".repeat(1000))
    }
    .await?;
    #[once(at_least, name = "after")]
    work(cx, &run).await?;
    Ok(receipt.len())
}

/// Charges, and never comes to an end of that.
#[durable_tool]
async fn hangs(cx: &DurableContext, run: String) -> Result<u32, ToolError> {
    #[once(at_most, name = "charge")]
    let receipt = async {
        effect(&run, cx);
        std::future::pending::<Result<u32, ToolError>>().await
    }
    .await?;
    #[once(at_least, name = "after")]
    work(cx, &run).await?;
    Ok(receipt)
}

/// Sleeps for an hour.
#[durable_tool]
async fn sleeps(cx: &DurableContext, run: String) -> Result<u32, ToolError> {
    #[once(at_least, name = "before")]
    let value = work(cx, &run).await?;
    cx.sleep(Duration::from_secs(3600)).await;
    Ok(value)
}

/// Fails in its second step.
#[durable_tool]
async fn fails(cx: &DurableContext, run: String) -> Result<u32, ToolError> {
    #[once(at_most, name = "first")]
    let first = work(cx, &run).await?;
    #[once(at_most, name = "second")]
    let second = fail(cx, &run).await?;
    #[once(at_most, name = "third")]
    let third = work(cx, &run).await?;
    Ok(first + second + third)
}

async fn fail(cx: &StepContext, run: &str) -> Result<u32, ToolError> {
    effect(run, cx);
    if is_mended(run) { Ok(1) } else { Err(ToolError::new("no route")) }
}

/// Signs in.
#[durable_tool]
#[audit("log", redact(password))]
async fn sign_in(cx: &DurableContext, run: String, password: String) -> Result<u32, ToolError> {
    #[once(at_most, name = "check")]
    let value = refuse(cx, &run, &password).await?;
    Ok(value)
}

async fn refuse(cx: &StepContext, run: &str, password: &str) -> Result<u32, ToolError> {
    effect(run, cx);
    Err(ToolError::new(format!("{password} is wrong")))
}

fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.outcome_bytes = 500;
    limits.unclean_ends = 3;
    limits
}

async fn open() -> Server {
    let server = server().limits(limits()).tool(fragile).tool(too_large).tool(fails).tool(sign_in);
    server.open().await.expect("a server")
}

/// Makes a call that is parked, and gives its invocation.
async fn parked(server: &Server, tool: &str, run: &str) -> InvocationId {
    let call = server.call(tool, json!({ "run": run })).idempotency_key(run);
    let error = call.await.expect_err("it is parked");
    assert_eq!(error.code(), "invocation_parked", "{error}");
    only_parked(&server.invocations()).await
}

async fn only_parked(invocations: &Invocations) -> InvocationId {
    let page = invocations.parked(None, 10).await.expect("a page");
    assert_eq!((page.invocations.len(), page.next), (1, None), "{page:?}");
    page.invocations[0].id
}

async fn called_again(server: &Server, tool: &str, run: &str) -> Result<Value, String> {
    let call = server.call(tool, json!({ "run": run })).idempotency_key(run);
    let answer = call.await.map_err(|error| error.to_string())?;
    answer.result.map_err(|failure| failure.message)
}

/// Asks until the start, which takes up beside it what has not ended, is done with that.
async fn when_taken_up<T>(mut ask: impl AsyncFnMut() -> Result<T, Error>) -> Result<T, Error> {
    loop {
        match ask().await {
            Err(error) if error.code() == "invocation_running" => tokio::task::yield_now().await,
            done => return done,
        }
    }
}

fn code<T: std::fmt::Debug>(result: Result<T, Error>) -> String {
    result.expect_err("refused").code().to_owned()
}

#[tokio::test]
async fn a_parked_call_that_is_retried_goes_on_from_where_it_was_and_its_key_gives_the_result() {
    let server = open().await;
    let id = parked(&server, "fragile", "retried").await;
    // The world is as it was, so it is parked again.
    server.invocations().retry(id).await.expect("it runs");
    assert_eq!(code(server.invocations().result(id).await), "invocation_parked");
    mend("retried");
    server.invocations().retry(id).await.expect("it runs");
    assert_eq!(server.invocations().result(id).await.expect("a result").result, Ok(json!(14)));
    assert_eq!(called_again(&server, "fragile", "retried").await, Ok(json!(14)));
    assert_eq!(effects("retried"), ["before 1", "after 1"]);
    assert_eq!(code(server.invocations().retry(id).await), "invocation_ended");
    assert_eq!(server.validate().await.expect("a readable store"), []);
}

#[test]
fn a_retry_is_durable_before_it_runs() {
    let rows = MemoryBackend::default();
    let first = Process::start(slow_server(&rows).limits(limits()).tool(fragile));
    let id = first.runtime.block_on(parked(&first.server, "fragile", "durable retry"));
    mend("durable retry");
    first.runtime.block_on(first.server.invocations().retry(id)).expect("it runs");
    first.kill();
    let second = Process::start(server_on(rows).limits(limits()).tool(fragile));
    let result = second.runtime.block_on(second.server.invocations().result(id)).expect("a result");
    assert_eq!(result.result, Ok(json!(14)));
    assert_eq!(effects("durable retry").iter().filter(|effect| *effect == "before 1").count(), 1);
}

#[tokio::test]
async fn an_outcome_that_could_not_be_recorded_is_given_by_hand_and_its_effect_is_not_repeated() {
    let server = open().await;
    let id = parked(&server, "too_large", "resolved").await;
    let invocations = server.invocations();
    // Its effect has happened, so running again parks it again.
    invocations.retry(id).await.expect("it runs");
    assert_eq!(code(invocations.result(id).await), "invocation_parked");
    let receipt = StepOutcome::Value(json!("receipt"));
    assert_eq!(code(invocations.resolve(id, "pay", receipt.clone()).await), "step_unknown");
    let number = StepOutcome::Value(json!(7));
    let error = invocations.resolve(id, "charge", number).await.expect_err("no text");
    assert_eq!(error.code(), "outcome_invalid");
    assert!(error.message().contains("`charge`"), "{error}");
    let large = StepOutcome::Value("r".repeat(1000).into());
    assert_eq!(code(invocations.resolve(id, "charge", large).await), "outcome_invalid");
    invocations.resolve(id, "charge", receipt).await.expect("it runs");
    assert_eq!(called_again(&server, "too_large", "resolved").await, Ok(json!(7)));
    assert_eq!(effects("resolved"), ["charge 1", "after 1"]);
    assert_eq!(server.validate().await.expect("a readable store"), []);
    let journal = invocations.explain(id).await.expect("known").journal;
    let records: Vec<&str> = journal.iter().map(|entry| entry.record).collect();
    assert_eq!(records, ["admitted", "started", "unrecordable", "retried", "resolved", "ended"]);
}

#[test]
fn a_step_in_doubt_of_a_parked_call_is_given_its_outcome_by_hand() {
    let rows = MemoryBackend::default();
    let first = Process::start(slow_server(&rows).tool(hangs));
    first.begin("hangs", json!({ "run": "doubt" }));
    while effects("doubt").is_empty() {
        std::thread::yield_now();
    }
    first.kill();
    // A build without the tool parks it before the step finds itself in doubt.
    let second = Process::start(slow_server(&rows).tool(fragile));
    let invocations = second.server.invocations();
    second.runtime.block_on(async {
        let id = only_parked(&invocations).await;
        let explained = invocations.explain(id).await.expect("known");
        assert_eq!(explained.steps[0].state, StepState::Started(1));
        assert!(!explained.to_string().contains("doubt\""), "its tool may redact arguments: {explained}");
        assert_eq!(code(when_taken_up(async || invocations.retry(id).await).await), "invocation_parked");
        let resolve = async || invocations.resolve(id, "charge", StepOutcome::Value(json!(7))).await;
        when_taken_up(resolve).await.expect("kept");
    });
    second.kill();
    let third = Process::start(server_on(rows).tool(hangs));
    let call = third.server.call("hangs", json!({ "run": "doubt" })).idempotency_key("k");
    let answer = third.runtime.block_on(call.into_future()).expect("an answer");
    assert_eq!(answer.result, Ok(json!(7)));
    assert_eq!(effects("doubt"), ["charge 1", "after 1"]);
    third.kill();
}

#[tokio::test]
async fn what_a_call_has_gone_on_with_is_not_replaced_but_forked() {
    let server = open().await;
    let id = parked(&server, "fragile", "seen").await;
    let outcome = StepOutcome::Value(json!(9));
    assert_eq!(code(server.invocations().resolve(id, "before", outcome).await), "step_has_outcome");
}

#[tokio::test]
async fn a_fork_has_what_came_before_its_step_and_runs_the_rest() {
    let server = open().await;
    let invocations = server.invocations();
    assert_eq!(called_again(&server, "fails", "forked").await, Err("no route".into()));
    let failed = invocations.ended(None, 10).await.expect("a page").invocations[0].id;
    assert_eq!(code(invocations.fork(failed, "fourth").await), "step_unknown");
    mend("forked");
    let fork = invocations.fork(failed, "second").await.expect("a fork");
    assert_eq!(invocations.result(fork).await.expect("a result").result, Ok(json!(15)));
    assert_eq!(effects("forked"), ["first 1", "second 1", "second 1", "third 1"]);
    // What callers have had under the key, they have.
    assert_eq!(called_again(&server, "fails", "forked").await, Err("no route".into()));
    let explained = invocations.explain(fork).await.expect("known");
    let from = explained.forked_from.expect("a fork");
    assert_eq!((from.invocation, from.step.as_str()), (failed, "second"));
    assert_eq!(explained.idempotency_key, None);
    assert_eq!(server.validate().await.expect("a readable store"), []);
}

#[tokio::test]
async fn a_fork_with_an_outcome_does_not_run_its_step() {
    let server = open().await;
    let invocations = server.invocations();
    assert_eq!(called_again(&server, "fails", "fork with").await, Err("no route".into()));
    let failed = invocations.ended(None, 10).await.expect("a page").invocations[0].id;
    let text = StepOutcome::Value(json!("a text"));
    assert_eq!(code(invocations.fork_with(failed, "second", text).await), "outcome_invalid");
    let fork = invocations.fork_with(failed, "second", StepOutcome::Value(json!(100))).await.expect("a fork");
    assert_eq!(invocations.result(fork).await.expect("a result").result, Ok(json!(114)));
    assert_eq!(effects("fork with"), ["first 1", "second 1", "third 1"]);
}

#[tokio::test]
async fn the_key_of_a_parked_call_gives_its_fork() {
    let server = open().await;
    let id = parked(&server, "fragile", "fork of parked").await;
    mend("fork of parked");
    let fork = server.invocations().fork(id, "before").await.expect("a fork");
    assert_eq!(called_again(&server, "fragile", "fork of parked").await, Ok(json!(14)));
    assert_eq!(server.invocations().result(fork).await.expect("a result").result, Ok(json!(14)));
    // The parked one is still there.
    assert_eq!(only_parked(&server.invocations()).await, id);
    let cancelled = server.invocations().cancel(id, "its fork is done").await.expect("ended");
    assert_eq!(cancelled.result.expect_err("no value").code, Some("invocation_cancelled"));
    assert_eq!(called_again(&server, "fragile", "fork of parked").await, Ok(json!(14)));
}

#[tokio::test]
async fn a_call_is_completed_by_hand_with_what_its_tool_could_have_given_and_once() {
    let server = open().await;
    let invocations = server.invocations();
    let id = parked(&server, "fragile", "completed").await;
    let error = invocations.complete(id, Ok(json!("seven"))).await.expect_err("no number");
    assert_eq!((error.code(), error.kind()), ("result_invalid", ErrorKind::FixCall));
    invocations.complete(id, Ok(json!(7))).await.expect("completed");
    assert_eq!(called_again(&server, "fragile", "completed").await, Ok(json!(7)));
    invocations.complete(id, Ok(json!(7))).await.expect("the same again");
    assert_eq!(code(invocations.complete(id, Ok(json!(8))).await), "invocation_ended");
    assert_eq!(code(invocations.complete(id, Err("no".into())).await), "invocation_ended");
    let late = invocations.cancel(id, "late").await.expect("ended");
    assert_eq!((late.is_replayed, late.result), (true, Ok(json!(7))));
    // Where the body was does not matter.
    mend("completed");
    assert_eq!(server.validate().await.expect("a readable store"), []);
}

#[tokio::test]
async fn who_waits_for_a_call_gets_what_it_is_completed_with() {
    let clock = HeldClock::default();
    let server = server().clock(clock.clone()).tool(sleeps).open().await.expect("a server");
    let waiting =
        tokio::spawn(server.call("sleeps", json!({ "run": "waited for" })).idempotency_key("k").into_future());
    let invocations = server.invocations();
    let id = loop {
        let page = invocations.unfinished(None, 10).await.expect("a page");
        if let Some(found) = page.invocations.first()
            && let InvocationState::Waiting { until, waits } = &found.state
        {
            assert_eq!((waits.len(), waits[0].reason, waits[0].until), (1, WaitReason::Sleep, *until));
            break found.id;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(code(invocations.retry(id).await), "invocation_running");
    assert_eq!(code(invocations.fork(id, "before").await), "invocation_running");
    invocations.complete(id, Err("the order is void".into())).await.expect("completed");
    let answer = waiting.await.expect("no panic").expect("an answer");
    assert_eq!(answer.result.expect_err("an error").message, "the order is void");
}

#[tokio::test]
async fn a_parked_call_that_is_cancelled_has_ended_for_its_callers_too() {
    let server = open().await;
    let id = parked(&server, "fragile", "cancelled").await;
    let cancelled = server.invocations().cancel(id, "nobody needs it").await.expect("ended");
    assert_eq!(cancelled.result.expect_err("no value").code, Some("invocation_cancelled"));
    let again = called_again(&server, "fragile", "cancelled").await.expect_err("cancelled");
    assert!(again.contains("nobody needs it"), "{again}");
    assert_eq!(server.invocations().parked(None, 10).await.expect("a page").invocations, []);
}

#[tokio::test]
async fn lists_are_paged_and_an_explanation_keeps_secrets() {
    let server = open().await;
    let invocations = server.invocations();
    for run in 0..5 {
        let arguments = json!({ "run": format!("secret {run}"), "password": "hunter2" });
        let answer = server.call("sign_in", arguments).await.expect("an answer");
        assert_eq!(answer.result.expect_err("wrong").message, "hunter2 is wrong");
    }
    assert_eq!(code(invocations.ended(None, 0).await), "limit_zero");
    assert_eq!(code(invocations.ended(None, 1001).await), "limit_too_large");
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = invocations.ended(after, 2).await.expect("a page");
        seen.extend(page.invocations.into_iter().map(|found| found.id));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen.len(), 5);
    assert!(seen.is_sorted_by(|newer, older| newer > older));
    let explained = invocations.explain(seen[0]).await.expect("known");
    let json = serde_json::to_string(&explained).expect("JSON");
    for shown in [explained.to_string(), json] {
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(shown.contains("[redacted] is wrong") && shown.contains("secret 4"), "{shown}");
    }
    let unknown: InvocationId = "01890000-0000-7000-8000-000000000000".parse().expect("an id");
    assert_eq!(code(invocations.explain(unknown).await), "invocation_unknown");
    assert_eq!(code(invocations.retry(unknown).await), "invocation_unknown");
    assert_eq!(code(invocations.cancel(unknown, "").await), "invocation_unknown");
    assert_eq!(code(invocations.complete(unknown, Ok(json!(1))).await), "invocation_unknown");
    assert_eq!(code(invocations.fork(unknown, "a").await), "invocation_unknown");
    assert_eq!(code(invocations.result(unknown).await), "invocation_unknown");
}
