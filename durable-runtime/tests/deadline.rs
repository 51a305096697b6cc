//! What becomes of a call whose time is over.
#![allow(clippy::unused_async, reason = "a step is an async function, whether it waits or not")]

mod support;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use durable_runtime::prelude::*;
use durable_runtime::store::{GroupCommit, MemoryBackend};
use durable_runtime::{Limits, LocalResult, ServerBuilder};
use serde_json::json;
use tokio::sync::Semaphore;

use self::support::{HeldClock, JumpingClock, Process, effect, effects, server};

const MINUTE: Duration = Duration::from_secs(60);
const NOTES: SortedMap<String> = SortedMap::new("notes");

/// A server on these rows and this clock. It never takes a call out of memory while somebody waits for it.
fn held(rows: &MemoryBackend, clock: &HeldClock) -> ServerBuilder {
    let store = GroupCommit::new(rows.clone()).expect("a thread");
    Server::builder("test", "0").custom_store(store).clock(clock.clone())
}

fn evicting_after(evict_after: Duration) -> Limits {
    let mut limits = Limits::default();
    limits.evict_after = evict_after;
    limits
}

async fn seen(run: &str, count: usize) {
    while effects(run).len() < count {
        tokio::task::yield_now().await;
    }
}

#[track_caller]
fn timed_out_after(answer: &LocalResult, limit: &str) {
    let failure = answer.result.as_ref().expect_err("the time is over");
    assert_eq!(failure.code, Some("invocation_timed_out"));
    assert_eq!(failure.error, json!({ "type": "invocation_timed_out", "next": "fix_call" }));
    let text = format!("invocation_timed_out: the call did not end within its timeout of {limit}");
    assert!(failure.message.starts_with(&text), "{failure}");
}

async fn fail(cx: &StepContext, run: &str) -> Result<u32, ToolError> {
    effect(run, cx);
    Err(ToolError::new("no"))
}

/// Fails, and waits for an hour before it tries again.
#[durable_tool(timeout = "10m")]
async fn backs_off(cx: &DurableContext, run: String) -> Result<u32, ToolError> {
    #[once(at_least, retry(attempts = 2, initial = "1h", max = "1h"))]
    let value = fail(cx, &run).await?;
    Ok(value)
}

async fn begin(cx: &StepContext, run: &str) -> Result<u32, ToolError> {
    effect(run, cx);
    Ok(1)
}

/// Sleeps for an hour.
#[durable_tool(timeout = "10m")]
async fn sleeps(cx: &DurableContext, run: String) -> Result<u32, ToolError> {
    #[once(at_least)]
    begin(cx, &run).await?;
    cx.sleep(Duration::from_secs(3600)).await;
    #[once(at_least, name = "awake")]
    begin(cx, &run).await?;
    Ok(1)
}

/// Does not wait.
#[durable_tool]
async fn at_once(_cx: &DurableContext) -> Result<u32, ToolError> {
    Ok(1)
}

#[tokio::test]
async fn a_wait_ends_at_the_deadline_and_the_answer_stays_the_same() {
    for tool in ["backs_off", "sleeps"] {
        for evict_after in [Duration::from_secs(10), Duration::from_secs(7200)] {
            let (rows, clock) = (MemoryBackend::default(), HeldClock::default());
            let limits = evicting_after(evict_after);
            let server =
                held(&rows, &clock).limits(limits).tool(backs_off).tool(sleeps).open().await.expect("a server");
            let run = format!("{tool} {evict_after:?}");
            let call = || server.call(tool, json!({ "run": run })).idempotency_key("k").into_future();
            let first = tokio::spawn(call());
            seen(&run, 1).await;
            clock.advance(9 * MINUTE);
            tokio::task::yield_now().await;
            assert!(!first.is_finished());
            clock.advance(MINUTE);
            let first = first.await.expect("no panic").expect("an answer");
            timed_out_after(&first, "600s");
            let again = call().await.expect("an answer");
            assert_eq!((again.invocation, &again.result), (first.invocation, &first.result));
            assert!(again.is_replayed);
            assert_eq!(effects(&run).len(), 1, "{run}");
            assert_eq!(server.validate().await.expect("a readable store"), []);
        }
    }
}

#[tokio::test]
async fn a_wait_that_would_end_after_the_deadline_is_cut_off_on_a_clock_that_jumps() {
    let server = server().tool(backs_off).open().await.expect("a server");
    let answer = server.call("backs_off", json!({ "run": "jumps" })).await.expect("an answer");
    timed_out_after(&answer, "600s");
    assert!(effects("jumps").len() <= 1);
}

#[tokio::test]
async fn a_call_that_waits_outside_of_memory_ends_at_its_deadline_and_its_body_is_not_run() {
    let (rows, clock) = (MemoryBackend::default(), HeldClock::default());
    let mut limits = Limits::default();
    limits.running = 1;
    let server = held(&rows, &clock).limits(limits).tool(sleeps).tool(at_once).open().await.expect("a server");
    let call = || server.call("sleeps", json!({ "run": "outside" })).idempotency_key("k").into_future();
    let first = tokio::spawn(call());
    seen("outside", 1).await;
    first.abort();
    // There is one place in memory, so this is taken only when the first call has left it.
    while server.call("at_once", json!({})).await.is_err() {
        tokio::task::yield_now().await;
    }
    let before = server.commit_counts().batches;
    clock.advance(10 * MINUTE);
    while server.commit_counts().batches == before {
        tokio::task::yield_now().await;
    }
    // It has ended by itself, before anybody asks for it.
    timed_out_after(&call().await.expect("an answer"), "600s");
    assert_eq!(effects("outside"), ["begin 1"]);
    assert_eq!(server.commit_counts().batches, before + 1, "its end is one commit");
}

mod shorter {
    use super::{Duration, begin};
    use durable_runtime::prelude::*;

    /// Sleeps for an hour.
    #[durable_tool(timeout = "1m")]
    pub(crate) async fn sleeps(cx: &DurableContext, run: String) -> Result<u32, ToolError> {
        #[once(at_least)]
        begin(cx, &run).await?;
        cx.sleep(Duration::from_secs(3600)).await;
        #[once(at_least, name = "awake")]
        begin(cx, &run).await?;
        Ok(1)
    }
}

/// Kills a server while `sleeps` sleeps, and gives what the next server says of the call when `passed` is over.
fn after_restart(run: &str, evict_after: Duration, passed: Duration, is_shorter: bool) -> LocalResult {
    let (rows, clock) = (MemoryBackend::default(), HeldClock::default());
    let first = Process::start(held(&rows, &clock).limits(evicting_after(evict_after)).tool(sleeps));
    first.begin("sleeps", json!({ "run": run }));
    // The opening, the secret, the admission, and the outcome with the wait.
    first.wait_for_commits(4);
    first.kill();
    clock.advance(passed);
    let builder = held(&rows, &clock);
    let last = Process::start(if is_shorter { builder.tool(shorter::sleeps) } else { builder.tool(sleeps) });
    let call = last.server.call("sleeps", json!({ "run": run })).idempotency_key("k");
    let answer = last.runtime.block_on(call.into_future()).expect("an answer");
    assert_eq!(effects(run), ["begin 1"]);
    answer
}

#[test]
fn a_call_whose_time_was_over_while_no_server_ran_ends_without_its_body() {
    for (run, evict_after) in [("restarted", 10), ("restarted in memory", 7200)] {
        timed_out_after(&after_restart(run, Duration::from_secs(evict_after), 11 * MINUTE, false), "600s");
    }
}

#[test]
fn a_deadline_is_what_this_build_says() {
    timed_out_after(&after_restart("shorter", Duration::from_secs(10), 2 * MINUTE, true), "60s");
}

static MAY_END: Semaphore = Semaphore::const_new(0);

/// Works until it is allowed to end, and writes what it did.
async fn work(cx: &StepContext, run: &str) -> Result<u32, ToolError> {
    effect(run, cx);
    MAY_END.acquire().await?.forget();
    NOTES.insert(cx, [(run, "done".to_owned())]).await?;
    Ok(1)
}

/// Works, and then does something more.
#[durable_tool(timeout = "10m")]
async fn works(cx: &DurableContext, run: String) -> Result<u32, ToolError> {
    #[once(at_most)]
    work(cx, &run).await?;
    NOTES.insert(cx, [("more", String::new())]).await?;
    #[once(at_least)]
    begin(cx, &run).await?;
    Ok(1)
}

/// Tells what is noted.
#[durable_tool(read_only)]
async fn noted(cx: &ReadContext) -> Result<Vec<String>, ToolError> {
    Ok(NOTES.range(cx, .., 10).await?.into_iter().map(|(key, _)| key).collect())
}

#[tokio::test]
async fn an_attempt_that_runs_at_the_deadline_is_finished_and_recorded_and_nothing_follows_it() {
    let (rows, clock) = (MemoryBackend::default(), HeldClock::default());
    let server = held(&rows, &clock).tool(works).tool(noted).open().await.expect("a server");
    let call = tokio::spawn(server.call("works", json!({ "run": "finished" })).into_future());
    seen("finished", 1).await;
    clock.advance(10 * MINUTE);
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(!call.is_finished(), "the attempt is not dropped before the grace period is over");
    MAY_END.add_permits(1);
    timed_out_after(&call.await.expect("no panic").expect("an answer"), "600s");
    assert_eq!(effects("finished"), ["work 1"]);
    let noted = server.call("noted", json!({})).await.expect("an answer").result;
    assert_eq!(noted, Ok(json!(["finished"])), "what it wrote is there");
    assert_eq!(server.validate().await.expect("a readable store"), []);
}

static DROPPED: AtomicBool = AtomicBool::new(false);

struct Dropped;

impl Drop for Dropped {
    fn drop(&mut self) {
        DROPPED.store(true, Ordering::SeqCst);
    }
}

async fn hang(cx: &StepContext, run: &str) -> Result<u32, ToolError> {
    let _dropped = Dropped;
    effect(run, cx);
    std::future::pending().await
}

/// Hangs.
#[durable_tool]
async fn hangs(cx: &DurableContext, run: String) -> Result<u32, ToolError> {
    #[once(at_most)]
    let value = hang(cx, &run).await?;
    Ok(value)
}

#[tokio::test]
async fn an_attempt_that_never_ends_is_dropped_after_the_grace_period() {
    let (rows, clock) = (MemoryBackend::default(), HeldClock::default());
    let mut limits = Limits::default();
    limits.timeout = Some(10 * MINUTE);
    let server = held(&rows, &clock).limits(limits).tool(hangs).open().await.expect("a server");
    let call = || server.call("hangs", json!({ "run": "hangs" })).idempotency_key("k").into_future();
    let first = tokio::spawn(call());
    seen("hangs", 1).await;
    while !first.is_finished() {
        clock.advance(Duration::from_secs(1));
        tokio::task::yield_now().await;
    }
    assert!(clock.passed() >= 10 * MINUTE + Duration::from_secs(10), "{:?}", clock.passed());
    timed_out_after(&first.await.expect("no panic").expect("an answer"), "600s");
    assert!(DROPPED.load(Ordering::SeqCst));
    timed_out_after(&call().await.expect("an answer"), "600s");
    assert_eq!(effects("hangs"), ["hang 1"], "it is not made again");
    assert_eq!(server.validate().await.expect("a readable store"), []);
}

#[tokio::test]
async fn a_result_that_is_durable_before_the_deadline_stays() {
    let (rows, clock) = (MemoryBackend::default(), HeldClock::default());
    let mut limits = Limits::default();
    limits.timeout = Some(MINUTE);
    let server = held(&rows, &clock).limits(limits).tool(at_once).open().await.expect("a server");
    let call = || server.call("at_once", json!({})).idempotency_key("k").into_future();
    assert_eq!(call().await.expect("an answer").result, Ok(json!(1)));
    clock.advance(2 * MINUTE);
    let again = call().await.expect("an answer");
    assert_eq!((again.result, again.is_replayed), (Ok(json!(1)), true));
}

#[tokio::test]
async fn a_call_without_a_timeout_waits_as_long_as_it_takes() {
    let clock = JumpingClock::default();
    let server = server().clock(clock).tool(patient).open().await.expect("a server");
    assert_eq!(server.call("patient", json!({})).await.expect("an answer").result, Ok(json!(1)));
}

/// Sleeps for a year.
#[durable_tool]
async fn patient(cx: &DurableContext) -> Result<u32, ToolError> {
    cx.sleep(Duration::from_secs(365 * 86400)).await;
    Ok(1)
}
