//! What steps and invocations promise, within one process.
#![allow(clippy::unused_async, reason = "a step is an async function, whether it waits or not")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use durable_runtime::prelude::*;
use durable_runtime::store::MemoryBackend;
use durable_runtime::{ErrorKind, Limits};
use serde::{Deserialize, Serialize};
use serde_json::json;

use self::support::{FaultyBackend, effect, effects, server, server_on};

#[derive(Debug, Serialize, Deserialize, thiserror::Error)]
enum ChargeError {
    #[error("no network")]
    Network,
    #[error("the card is refused")]
    Refused,
    #[error("in doubt: {0}")]
    InDoubt(AtMostOnceFailedBeforeCompleting),
    #[error("too slow: {0}")]
    TooSlow(StepTimedOut),
}

impl From<AtMostOnceFailedBeforeCompleting> for ChargeError {
    fn from(in_doubt: AtMostOnceFailedBeforeCompleting) -> Self {
        Self::InDoubt(in_doubt)
    }
}

impl From<StepTimedOut> for ChargeError {
    fn from(timed_out: StepTimedOut) -> Self {
        Self::TooSlow(timed_out)
    }
}

/// Fails with each of these errors in turn, then succeeds.
async fn charge(cx: &StepContext, run: &str, failures: &[String]) -> Result<u32, ChargeError> {
    effect(run, cx);
    match failures.get(cx.attempt() as usize - 1).map(String::as_str) {
        Some("network") => Err(ChargeError::Network),
        Some("refused") => Err(ChargeError::Refused),
        Some("hang") => std::future::pending().await,
        _ => Ok(cx.attempt()),
    }
}

/// Charges at least once.
#[durable_tool]
async fn at_least(cx: &DurableContext, run: String, failures: Vec<String>) -> Result<u32, ChargeError> {
    #[once(at_least, retry(attempts = 3), timeout = "1s")]
    let attempt = charge(cx, &run, &failures).await?;
    Ok(attempt)
}

/// Charges at most once, and again after a network error.
#[durable_tool]
async fn at_most(cx: &DurableContext, run: String, failures: Vec<String>) -> Result<u32, ChargeError> {
    #[once(at_most, retry_on(ChargeError::Network), retry(attempts = 3), timeout = "1s")]
    let attempt = charge(cx, &run, &failures).await?;
    Ok(attempt)
}

/// Charges at most once.
#[durable_tool]
async fn at_most_plain(cx: &DurableContext, run: String, failures: Vec<String>) -> Result<u32, ChargeError> {
    #[once(at_most)]
    let attempt = charge(cx, &run, &failures).await?;
    Ok(attempt)
}

async fn outcome_of(tool: &str, run: &str, failures: &[&str]) -> (Result<serde_json::Value, String>, Vec<String>) {
    let server = server().tool(at_least).tool(at_most).tool(at_most_plain).open().await.expect("a server");
    let answer = server.call(tool, json!({ "run": run, "failures": failures })).await.expect("an answer");
    (answer.result.map_err(|error| error.message), effects(run))
}

#[tokio::test]
async fn an_at_least_once_step_is_tried_until_it_succeeds() {
    let (result, effects) = outcome_of("at_least", "retried", &["network", "refused"]).await;
    assert_eq!(result, Ok(json!(3)));
    assert_eq!(effects, ["charge 1", "charge 2", "charge 3"]);
}

#[tokio::test]
async fn the_last_error_is_the_outcome_when_the_attempts_end() {
    let (result, effects) = outcome_of("at_least", "exhausted", &["network", "network", "refused"]).await;
    assert_eq!(result, Err("the card is refused".into()));
    assert_eq!(effects.len(), 3);
}

#[tokio::test]
async fn an_at_least_once_attempt_that_times_out_has_failed() {
    let (result, effects) = outcome_of("at_least", "slow", &["hang", "hang"]).await;
    assert_eq!((result, effects.len()), (Ok(json!(3)), 3));
    let (result, _) = outcome_of("at_least", "too slow", &["hang", "hang", "hang"]).await;
    let text = "too slow: attempt 3 of the step `charge` did not end within 1000 ms";
    assert_eq!(result, Err(text.into()));
}

#[tokio::test]
async fn an_at_most_once_step_is_tried_again_only_after_a_named_error() {
    let (result, effects) = outcome_of("at_most", "named", &["network", "network"]).await;
    assert_eq!((result, effects.len()), (Ok(json!(3)), 3));
    let (result, effects) = outcome_of("at_most", "unnamed", &["network", "refused"]).await;
    assert_eq!((result, effects.len()), (Err("the card is refused".into()), 2));
    let (result, effects) = outcome_of("at_most_plain", "plain", &["network"]).await;
    assert_eq!((result, effects.len()), (Err("no network".into()), 1));
}

#[tokio::test]
async fn an_at_most_once_attempt_that_times_out_is_in_doubt_and_not_made_again() {
    let (result, effects) = outcome_of("at_most", "doubtful", &["hang"]).await;
    let error = result.expect_err("in doubt");
    assert!(error.starts_with("in doubt: attempt 1 of the at-most-once step `charge`"), "{error}");
    assert_eq!(effects.len(), 1);
}

/// Gives the keys that its step sees.
#[durable_tool]
async fn keys(cx: &DurableContext) -> Result<Vec<String>, ToolError> {
    let mut keys = Vec::new();
    for round in 0..2 {
        #[once(at_least, key = round, retry(attempts = 2), name = "key")]
        let key = async {
            let key = cx.idempotency_key().to_string();
            if cx.attempt() == 1 { Err(ToolError::new(key)) } else { Ok(key) }
        }
        .await?;
        keys.push(key);
    }
    Ok(keys)
}

#[tokio::test]
async fn each_step_of_each_invocation_has_a_key_of_its_own() {
    let server = server().tool(keys).open().await.expect("a server");
    let mut all = std::collections::HashSet::new();
    for _ in 0..2 {
        let answer = server.call("keys", json!({})).await.expect("an answer");
        for key in answer.result.expect("a value").as_array().expect("a list") {
            assert!(all.insert(key.to_string()), "{key} twice");
        }
    }
    assert_eq!(all.len(), 4);
}

/// Loses precision when it is recorded.
#[derive(Serialize, Deserialize, schemars::JsonSchema)]
struct Lossy {
    #[serde(skip)]
    lost: u32,
    kept: u32,
}

/// Returns what the step gave it.
#[durable_tool]
async fn lossy(cx: &DurableContext) -> Result<u32, ToolError> {
    #[once(at_least, infallible, name = "lossy")]
    let value = async { Lossy { lost: 1, kept: 2 } }.await;
    Ok(value.lost * 10 + value.kept)
}

#[tokio::test]
async fn the_body_gets_what_was_recorded_in_the_first_run_too() {
    let server = server().tool(lossy).open().await.expect("a server");
    let answer = server.call("lossy", json!({})).await.expect("an answer");
    assert_eq!(answer.result, Ok(json!(2)));
}

/// Reaches a step twice under one key.
#[durable_tool]
async fn twice(cx: &DurableContext, run: String) -> Result<u32, ChargeError> {
    for item in ["a", "a"] {
        #[once(at_least, key = item)]
        charge(cx, &run, &[]).await?;
    }
    Ok(0)
}

/// Gives a step a value that JSON has no form for.
#[durable_tool]
async fn unrecordable(cx: &DurableContext, run: String) -> Result<usize, ToolError> {
    #[once(at_least, name = "map")]
    let map = async {
        effect(&run, cx);
        Ok::<_, ToolError>(std::collections::BTreeMap::from([(vec![1_u8], 1)]))
    }
    .await?;
    Ok(map.len())
}

/// Gives a step a value of this many bytes.
#[durable_tool]
async fn large(cx: &DurableContext, run: String, bytes: usize) -> Result<usize, ToolError> {
    #[once(at_most, name = "large")]
    let text = async {
        effect(&run, cx);
        Ok::<_, ToolError>("x".repeat(bytes))
    }
    .await?;
    Ok(text.len())
}

/// Returns this many bytes.
#[durable_tool]
async fn large_result(_cx: &DurableContext, bytes: usize) -> Result<String, ToolError> {
    Ok("x".repeat(bytes))
}

const NOTES: SortedMap<String> = SortedMap::new("notes");

/// Uses the body's context inside a step.
#[durable_tool]
async fn smuggled(cx: &DurableContext) -> Result<u32, ToolError> {
    let outer = cx;
    #[once(at_least, name = "smuggle")]
    NOTES.insert(outer, [("k", String::new())]).await?;
    Ok(0)
}

async fn parked_reason(tool: &str, arguments: serde_json::Value) -> String {
    let mut limits = Limits::default();
    limits.outcome_bytes = 1000;
    let server = server()
        .limits(limits)
        .tool(twice)
        .tool(unrecordable)
        .tool(large)
        .tool(large_result)
        .tool(smuggled)
        .tool(always_panics)
        .open()
        .await
        .expect("a server");
    let error = server.call(tool, arguments.clone()).idempotency_key("k").await.expect_err("parked");
    assert_eq!((error.code(), error.kind()), ("invocation_parked", ErrorKind::AskPerson));
    let again = server.call(tool, arguments).idempotency_key("k").await.expect_err("still parked");
    assert_eq!(again.message(), error.message());
    error.message().to_owned()
}

#[tokio::test]
async fn what_cannot_go_on_is_parked_and_says_why() {
    let reason = parked_reason("twice", json!({ "run": "twice" })).await;
    assert!(reason.contains("(duplicate_step): the step `charge[a]` was reached twice"), "{reason}");
    assert_eq!(effects("twice"), ["charge 1"]);

    let reason = parked_reason("unrecordable", json!({ "run": "unrecordable" })).await;
    assert!(reason.contains("the outcome of the step `map` cannot be recorded"), "{reason}");
    assert_eq!(effects("unrecordable").len(), 1);

    let reason = parked_reason("large", json!({ "run": "large", "bytes": 1000 })).await;
    assert!(reason.contains("it has 1002 bytes as JSON, and 1000 is the most"), "{reason}");
    assert_eq!(effects("large").len(), 1);

    let reason = parked_reason("large_result", json!({ "bytes": 1000 })).await;
    assert!(reason.contains("(result_too_large)"), "{reason}");

    let reason = parked_reason("smuggled", json!({})).await;
    assert!(reason.contains("(body_context_in_step)"), "{reason}");
}

static PANICS: AtomicU32 = AtomicU32::new(0);

/// Panics.
#[durable_tool]
async fn always_panics(_cx: &DurableContext) -> Result<u32, ToolError> {
    #[allow_nondeterminism]
    PANICS.fetch_add(1, Ordering::SeqCst);
    panic!("out of cheese");
}

#[tokio::test]
async fn a_body_that_keeps_panicking_is_parked() {
    let reason = parked_reason("always_panics", json!({})).await;
    assert!(reason.contains("10 runs in a row ended uncleanly"), "{reason}");
    assert!(reason.contains("out of cheese"), "{reason}");
    assert_eq!(PANICS.load(Ordering::SeqCst), 10);
}

static PANICS_LEFT: AtomicU32 = AtomicU32::new(3);

/// Panics between its steps, three times.
#[durable_tool]
async fn panics_for_a_while(cx: &DurableContext, run: String) -> Result<u32, ChargeError> {
    #[once(at_most)]
    charge(cx, &run, &[]).await?;
    #[once(at_least, name = "second")]
    charge(cx, &run, &[]).await?;
    #[allow_nondeterminism]
    let left = PANICS_LEFT.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
    assert!(left.is_err(), "not yet");
    Ok(7)
}

#[tokio::test]
async fn a_body_that_panicked_goes_on_from_where_it_was() {
    let server = server().tool(panics_for_a_while).open().await.expect("a server");
    let answer = server.call("panics_for_a_while", json!({ "run": "panics" })).await.expect("an answer");
    assert_eq!(answer.result, Ok(json!(7)));
    assert_eq!(effects("panics"), ["charge 1", "second 1"]);
}

const PAID: SortedMap<u32> = SortedMap::new("paid");

static CAME_TO: AtomicU64 = AtomicU64::new(0);

async fn pay(cx: &StepContext, run: &str) -> Result<u32, ToolError> {
    effect(run, cx);
    PAID.insert(cx, [("step", 1)]).await?;
    tokio::task::yield_now().await;
    Ok(1)
}

/// Panics in the poll in which its step ends, in its first run, and reads beside that. Tells when it came beyond that.
#[durable_tool]
async fn panics_at_the_end(cx: &DurableContext, run: String) -> Result<u64, ToolError> {
    let (came_to, read) = join!(
        async {
            #[once(at_most)]
            pay(cx, &run).await?;
            let now = cx.now().as_millis();
            #[allow_nondeterminism]
            let is_first_run = CAME_TO.compare_exchange(0, now, Ordering::SeqCst, Ordering::SeqCst).is_ok();
            assert!(!is_first_run, "after the step");
            Ok::<_, ToolError>(now)
        },
        async {
            for _ in 0..100 {
                PAID.get(cx, "nothing").await?;
            }
            Ok::<_, ToolError>(())
        },
    );
    read?;
    came_to
}

#[tokio::test]
async fn an_attempt_that_ended_in_the_poll_of_a_panic_is_not_in_doubt() {
    let server = server().tool(panics_at_the_end).open().await.expect("a server");
    let answer = server.call("panics_at_the_end", json!({ "run": "ended" })).await.expect("an answer");
    // What the body came to after the end of the step is not kept: it is that of the run that did not panic.
    assert!(answer.result.expect("a time").as_u64() > Some(CAME_TO.load(Ordering::SeqCst)));
    assert_eq!(effects("ended"), ["pay 1"]);
    assert_eq!(PAID.count(&server.store(), ..).await.expect("a table"), 1);
}

/// Comes to one step twice, and pays beside that.
#[durable_tool]
async fn parked_beside(cx: &DurableContext, run: String) -> Result<u32, ToolError> {
    let ((), paid) = join!(
        async {
            for key in ["a", "a"] {
                #[once(at_least, key = key, infallible, name = "twice")]
                async {}.await;
            }
        },
        async {
            #[once(at_least, infallible, name = "first")]
            async {}.await;
            #[once(at_most)]
            let paid = pay(cx, &run).await?;
            Ok::<_, ToolError>(paid)
        },
    );
    paid
}

#[tokio::test]
async fn no_attempt_starts_in_the_poll_in_which_the_body_is_parked() {
    let server = server().tool(parked_beside).open().await.expect("a server");
    let call = || server.call("parked_beside", json!({ "run": "parked" })).idempotency_key("k");
    call().await.expect_err("parked");
    let parked = server.invocations().parked(None, 10).await.expect("a page").invocations[0].id;
    // Now all that comes before the attempt is recorded.
    server.invocations().retry(parked).await.expect("it runs again");
    call().await.expect_err("parked again");
    assert_eq!(effects("parked"), [""; 0]);
}

#[tokio::test]
async fn a_key_used_again_gives_the_same_invocation_and_other_arguments_are_refused() {
    let server = server().tool(at_most_plain).open().await.expect("a server");
    let call = |failures: &[&str]| {
        server.call("at_most_plain", json!({ "run": "keyed", "failures": failures })).idempotency_key("order 7")
    };
    let first = call(&[]).await.expect("an answer");
    let second = call(&[]).await.expect("an answer");
    assert_eq!((first.invocation, &first.result), (second.invocation, &second.result));
    assert!(!first.is_replayed && second.is_replayed);
    let conflict = call(&["network"]).await.expect_err("a conflict");
    assert_eq!(conflict.code(), "idempotency_key_conflict");
    assert_eq!(effects("keyed").len(), 1);
}

#[tokio::test]
async fn a_thousand_calls_with_one_key_at_once_are_one_execution() {
    let server = server().tool(at_most_plain).open().await.expect("a server");
    let calls: Vec<_> = (0..1000)
        .map(|_| {
            let call = server.call("at_most_plain", json!({ "run": "thousand", "failures": [] }));
            tokio::spawn(call.idempotency_key("one").into_future())
        })
        .collect();
    let mut invocations = std::collections::HashSet::new();
    for call in calls {
        let answer = call.await.expect("no panic").expect("an answer");
        assert_eq!(answer.result, Ok(json!(1)));
        invocations.insert(answer.invocation);
    }
    assert_eq!((invocations.len(), effects("thousand").len()), (1, 1));
}

#[tokio::test]
async fn bad_calls_are_refused_before_admission() {
    let mut limits = Limits::default();
    limits.argument_bytes = 100;
    let server = server().limits(limits).tool(at_least).open().await.expect("a server");
    let before = server.commit_counts();
    for (arguments, code) in [
        (json!({ "run": "x" }), "invalid_arguments"),
        (json!({ "run": 7, "failures": [] }), "invalid_arguments"),
        (json!({ "run": "x", "failures": [], "more": 1 }), "invalid_arguments"),
        (json!({ "run": "x".repeat(100), "failures": [] }), "arguments_too_large"),
    ] {
        assert_eq!(server.call("at_least", arguments).await.expect_err("refused").code(), code);
    }
    let unknown = server.call("at_last", json!({})).await.expect_err("refused");
    assert_eq!(unknown.code(), "unknown_tool");
    let empty = server.call("at_least", json!({ "run": "x", "failures": [] })).idempotency_key("").await;
    assert_eq!(empty.expect_err("refused").code(), "idempotency_key_invalid");
    assert_eq!(server.commit_counts(), before);
}

#[tokio::test]
async fn more_calls_than_the_server_takes_are_told_to_come_again() {
    let mut limits = Limits::default();
    limits.running = 1;
    let server = Server::builder("busy", "0")
        .custom_store(durable_runtime::store::GroupCommit::new(MemoryBackend::default()).expect("a thread"))
        .limits(limits)
        .grace(Duration::ZERO)
        .tool(hangs)
        .open()
        .await
        .expect("a server");
    let before = server.commit_counts();
    let first = tokio::spawn(server.call("hangs", json!({})).idempotency_key("k").into_future());
    while server.commit_counts() == before {
        tokio::task::yield_now().await;
    }
    let busy = server.call("hangs", json!({})).idempotency_key("other").await.expect_err("busy");
    assert_eq!((busy.code(), busy.kind()), ("busy", ErrorKind::Retry));
    server.shutdown().await;
    let deferred = first.await.expect("no panic").expect_err("the server stopped");
    assert_eq!(deferred.kind(), ErrorKind::Retry, "{deferred}");
}

/// Never ends.
#[durable_tool]
async fn hangs(cx: &DurableContext) -> Result<u32, ToolError> {
    #[once(at_least, infallible, name = "hang")]
    std::future::pending::<()>().await;
    Ok(0)
}

#[tokio::test]
async fn a_store_that_fails_is_no_value_and_the_call_goes_on_when_it_is_back() {
    let backend = FaultyBackend::default();
    let server = server_on(backend.clone()).tool(breaks_the_store).open().await.expect("a server");
    *BREAKS.lock().expect("a lock") = Some(Arc::clone(&backend.fails));
    let arguments = json!({ "run": "broken" });
    let call = server.call("breaks_the_store", arguments.clone()).idempotency_key("k");
    let deferred = call.await.expect_err("the store failed");
    assert_eq!((deferred.kind(), deferred.code()), (ErrorKind::Retry, "invocation_deferred"));
    backend.fails.store(false, Ordering::SeqCst);
    let answer = server.call("breaks_the_store", arguments).idempotency_key("k").await.expect("an answer");
    assert_eq!(answer.result, Ok(json!("done")));
    assert_eq!(effects("broken").iter().filter(|line| *line == "first 1").count(), 1);
}

static BREAKS: std::sync::Mutex<Option<Arc<std::sync::atomic::AtomicBool>>> = std::sync::Mutex::new(None);

/// Breaks the store in its second step.
#[durable_tool]
async fn breaks_the_store(cx: &DurableContext, run: String) -> Result<String, ToolError> {
    #[once(at_most, name = "first")]
    let _first = async {
        effect(&run, cx);
        Ok::<_, ToolError>(1)
    }
    .await?;
    #[once(at_least, name = "second")]
    let _second = async {
        effect(&run, cx);
        if let Some(fails) = BREAKS.lock().map_err(|_| ToolError::new("poisoned"))?.take() {
            fails.store(true, Ordering::SeqCst);
        }
        Ok::<_, ToolError>(2)
    }
    .await?;
    Ok("done".into())
}
