//! Time, chance, timers and changes of running code: what a replay gives is what the first run gave.

#![allow(clippy::unused_async, reason = "a step is an async function, whether it waits or not")]

mod support;

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use durable_runtime::prelude::*;
use durable_runtime::store::MemoryBackend;
use durable_runtime::{Clock, SystemClock};
use serde_json::json;

use self::support::{Process, effect, effects, server, server_on, slow_server};

static PANICS_LEFT: AtomicU32 = AtomicU32::new(3);

/// Gives all kinds of values, after runs that panicked behind them.
#[durable_tool]
async fn give_values(cx: &DurableContext, run: String) -> Result<Vec<String>, ToolError> {
    let first = [cx.now().as_millis().to_string(), cx.random().to_string(), cx.uuid7().to_string()];
    let second = [cx.now().as_millis().to_string(), cx.random().to_string(), cx.uuid7().to_string()];
    let values = [first, second].concat();
    #[once(at_most, name = "tell")]
    let told = async {
        effect(&run, cx);
        Ok::<_, ToolError>(values.clone())
    }
    .await?;
    cx.sleep(Duration::from_secs(1)).await;
    #[allow_nondeterminism]
    let left = PANICS_LEFT.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
    assert!(left.is_err(), "not yet");
    assert_eq!(told, values, "a replay was given other values");
    Ok(values)
}

#[tokio::test]
async fn a_replay_is_given_the_values_of_the_first_run() {
    let server = server().tool(give_values).open().await.expect("a server");
    let answer = server.call("give_values", json!({ "run": "values" })).await.expect("an answer");
    let values: Vec<String> = serde_json::from_value(answer.result.expect("a value")).expect("texts");
    assert_eq!(effects("values").len(), 1);
    assert_ne!(values[1], values[4], "two random numbers");
    assert!(values[2] < values[5], "two ids in their order: {values:?}");
}

/// Sleeps for an hour.
#[durable_tool]
async fn sleeps(cx: &DurableContext) -> Result<u64, ToolError> {
    let before = cx.now();
    cx.sleep(Duration::from_secs(3600)).await;
    Ok(cx.now().as_millis() - before.as_millis())
}

#[tokio::test]
async fn a_sleep_costs_one_commit_and_lasts_as_long_as_it_says() {
    let server = server().tool(sleeps).open().await.expect("a server");
    let before = server.commit_counts().groups;
    let answer = server.call("sleeps", json!({})).await.expect("an answer");
    assert_eq!(answer.result, Ok(json!(3_600_000)));
    // The admission is in the commit of the sleep, and the second time in that of the result.
    assert_eq!(server.commit_counts().groups - before, 2);
}

#[test]
fn a_sleep_goes_on_after_a_restart_and_does_not_begin_again() {
    let rows = MemoryBackend::default();
    let first = Process::start(slow_server(&rows).tool(sleeps));
    first.begin("sleeps", json!({}));
    // The opening, the secret, and the sleep.
    first.wait_for_commits(3);
    first.kill();
    let killed = SystemClock.now();
    // If the sleep began again, it would end later than an hour after the call.
    while SystemClock.now().as_millis() < killed.as_millis() + 2 {}
    let second = Process::start(slow_server(&rows).tool(sleeps));
    second.kill();
    let last = Process::start(server_on(rows).tool(sleeps));
    let call = last.server.call("sleeps", json!({})).idempotency_key("k");
    let answer = last.runtime.block_on(call.into_future()).expect("an answer");
    assert_eq!(answer.result, Ok(json!(3_600_000)));
}

mod old {
    use super::*;

    /// Ships an order.
    #[durable_tool]
    pub(crate) async fn ship(cx: &DurableContext, run: String) -> Result<String, ToolError> {
        #[once(at_least, infallible, name = "pack")]
        async { effect(&run, cx) }.await;
        #[once(at_least, name = "old carrier", retry(attempts = 2, initial = "1h", max = "1h"))]
        let way = fail_once("old", cx).await?;
        Ok(way)
    }
}

mod new {
    use super::*;

    /// Ships an order.
    #[durable_tool]
    pub(crate) async fn ship(cx: &DurableContext, run: String) -> Result<String, ToolError> {
        #[once(at_least, infallible, name = "pack")]
        async { effect(&run, cx) }.await;
        if cx.patched("the new carrier") {
            #[once(at_least, name = "new carrier", retry(attempts = 2))]
            let way = fail_once("new", cx).await?;
            Ok(way)
        } else {
            #[once(at_least, name = "old carrier", retry(attempts = 2))]
            let way = fail_once("old", cx).await?;
            Ok(way)
        }
    }
}

async fn fail_once(way: &str, cx: &StepContext) -> Result<String, ToolError> {
    if cx.attempt() == 1 { Err(ToolError::new("not yet")) } else { Ok(way.to_owned()) }
}

/// Ships under the old code up to this many commits, or not at all, and then under the new code.
fn ship_over_a_deploy(run: &str, commits: Option<u64>) -> serde_json::Value {
    let rows = MemoryBackend::default();
    let first = Process::start(slow_server(&rows).tool(old::ship));
    if let Some(commits) = commits {
        first.begin("ship", json!({ "run": run }));
        first.wait_for_commits(commits);
    }
    first.kill();
    let last = Process::start(server_on(rows).tool(new::ship));
    let call = last.server.call("ship", json!({ "run": run })).idempotency_key("k");
    let answer = last.runtime.block_on(call.into_future()).expect("an answer");
    answer.result.expect("a value")
}

#[test]
fn a_call_that_has_passed_a_change_stays_on_the_old_way_and_every_other_takes_the_new_one() {
    // The opening, the secret, the admission, the packing, the failure of the old carrier.
    assert_eq!(ship_over_a_deploy("passed", Some(5)), json!("old"));
    assert_eq!(ship_over_a_deploy("not begun", None), json!("new"));
}
