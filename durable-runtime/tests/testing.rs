//! Tests of tools, with crashes: what a user's own tests find, and what they do not take for a difference.

#![allow(clippy::unused_async, reason = "a step is a function that is awaited")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use durable_runtime::prelude::*;
use durable_runtime::testing::{CrashPoint, DurableTest, Moment, TestRun, TestServer, Witness, durable_test};
use durable_runtime::{LocalResult, ServerBuilder, Timestamp};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

const ORDERS: SortedMap<u64> = SortedMap::new("orders");
const STOCK: SortedMap<u64> = SortedMap::new("stock");

/// Orders, under ids that are made on the way; takes a while.
#[durable_tool]
async fn order(cx: &DurableContext, outside: State<Witness>, item: String) -> Result<u64, ToolError> {
    let id = cx.uuid7();
    #[once(at_least, retry(attempts = 2))]
    let price = price(cx, &outside, &item).await?;
    cx.sleep(Duration::from_secs(60 * 60)).await;
    ORDERS.insert(cx, [(format!("order {id}"), price)]).await?;
    let left = cx
        .transaction(move |tx| {
            let left = tx.get(&STOCK, &item)?.unwrap_or(10) - 1;
            tx.insert(&STOCK, [(item.as_str(), left)])?;
            Ok::<_, ToolError>(left)
        })
        .await?;
    Ok(left)
}

async fn price(cx: &StepContext, outside: &Witness, item: &str) -> Result<u64, ToolError> {
    outside.saw("price");
    if cx.attempt() == 1 {
        return Err(ToolError::new("no answer"));
    }
    STOCK.insert(cx, [(format!("asked for {item}"), 1)]).await?;
    Ok(7)
}

/// Charges.
#[durable_tool]
async fn pay(cx: &DurableContext, outside: State<Witness>) -> Result<String, ToolError> {
    #[once(at_most)]
    let receipt = charge(cx, &outside).await?;
    Ok(receipt)
}

async fn charge(cx: &StepContext, outside: &Witness) -> Result<String, ToolError> {
    outside.saw("charge");
    Ok(format!("receipt {}", cx.idempotency_key()))
}

/// Depends on what no journal has.
#[durable_tool]
async fn careless(cx: &DurableContext, runs: State<Arc<AtomicU64>>) -> Result<(), ToolError> {
    let run = runs.fetch_add(1, Ordering::Relaxed);
    ORDERS.insert(cx, [("first", run)]).await?;
    #[once(at_least)]
    nothing(cx).await?;
    ORDERS.insert(cx, [("second", run)]).await?;
    Ok(())
}

async fn nothing(_cx: &StepContext) -> Result<(), ToolError> {
    Ok(())
}

#[derive(Deserialize, JsonSchema)]
struct Confirmation {
    /// Whether it is to be
    confirm: bool,
}

/// Asks.
#[durable_tool]
async fn ask(cx: &DurableContext) -> Result<bool, ToolError> {
    Ok(cx.elicit::<Confirmation>("Go on?").await.accepted()?.confirm)
}

async fn open(run: &TestRun, outside: &Witness) -> TestServer {
    let outside = outside.clone();
    run.server(move || builder().state(outside.clone()).tool(order).tool(pay).tool(ask)).await
}

fn builder() -> ServerBuilder {
    Server::builder("test", "0")
}

fn value(called: Result<LocalResult, Error>) -> Value {
    called.expect("an answer").result.expect("a value")
}

/// The message with which a test fails.
fn failure(test: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(test)).expect_err("the test fails");
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    text.expect("a panic has a text").to_owned()
}

#[durable_test(crash = every_point)]
async fn a_call_that_is_cut_off_anywhere_ends_as_it_does_undisturbed(run: TestRun) {
    let outside = Witness::default();
    let server = open(&run, &outside).await;
    assert_eq!(value(server.call("order", json!({ "item": "tea" })).await), 9);
    assert_eq!(value(server.call("order", json!({ "item": "tea" })).await), 8);
    assert!(outside.times("price") >= 4);
    assert_eq!(ORDERS.count(&server.store(), ..).await.expect("a table"), 2);
}

#[durable_test(crash = every_point, in_doubt(charge))]
async fn what_a_test_asserts_holds_where_a_step_is_in_doubt(run: TestRun) -> Result<(), Error> {
    let outside = Witness::default();
    let server = open(&run, &outside).await;
    let paid = server.call("pay", json!({})).await?;
    assert!(outside.times("charge") <= 1);
    assert!(outside.times("charge") == 1 || paid.result.is_err());
    Ok(())
}

#[test]
fn every_moment_of_every_commit_is_a_crash_point() {
    let points = Mutex::new(Vec::new());
    DurableTest::new().crash_at_every_point().in_doubt("charge").run(async |run: TestRun| {
        points.lock().expect("no run has panicked").push(run.crash());
        let server = open(&run, &Witness::default()).await;
        server.call("pay", json!({})).await.expect("an answer");
    });
    // The admission with the start, the outcome with the end: no more is committed.
    let point = |commit, moment| Some(CrashPoint { commit, moment });
    let expected =
        [None, point(1, Moment::Before), point(1, Moment::After), point(2, Moment::Before), point(2, Moment::After)];
    assert_eq!(points.into_inner().expect("no run has panicked"), expected);
}

#[test]
fn a_step_in_doubt_that_the_test_does_not_expect_is_told_with_its_crash_point() {
    let failure = failure(|| {
        DurableTest::new().crash_at_every_point().run(async |run: TestRun| {
            let server = open(&run, &Witness::default()).await;
            let _ended = server.call("pay", json!({})).await.expect("an answer");
        });
    });
    assert!(
        failure.starts_with(
            "with a crash in commit 1 of 2 (the admission of `pay`, the start of attempt 1 of `charge`), when it is durable and \
             nobody knows, the test ends otherwise than without a crash:\n  call 1, of `pay`\n    undisturbed:    \"receipt "
        ),
        "{failure}"
    );
    assert!(failure.contains("say `in_doubt(charge)`"), "{failure}");
    assert!(failure.ends_with("DURABLE_CRASH_POINT='after 1'"), "{failure}");
}

#[test]
fn a_body_that_depends_on_what_is_not_recorded_is_found() {
    let failure = failure(|| {
        DurableTest::new().crash_at_every_point().run(async |run: TestRun| {
            let runs = Arc::new(AtomicU64::new(0));
            let server = run.server(move || builder().state(Arc::clone(&runs)).tool(careless)).await;
            value(server.call("careless", json!({})).await);
        });
    });
    let difference = "table `orders`, key `second`\n    undisturbed:    0\n    with the crash: 1\n";
    assert!(failure.contains(difference), "{failure}");
}

#[test]
fn a_step_that_is_never_in_doubt_is_not_to_be_named() {
    let failure = failure(|| {
        DurableTest::new().crash_at_every_point().in_doubt("chrage").in_doubt("charge").run(async |run: TestRun| {
            let server = open(&run, &Witness::default()).await;
            let _ended = server.call("pay", json!({})).await.expect("an answer");
        });
    });
    assert!(failure.starts_with("no crash leaves a step named [\"chrage\"] in doubt"), "{failure}");
}

#[test]
fn a_test_in_which_nothing_is_committed_is_refused() {
    let failure = failure(|| {
        DurableTest::new().crash_at_every_point().run(async |run: TestRun| {
            open(&run, &Witness::default()).await;
        });
    });
    assert!(failure.starts_with("the test makes no commit"), "{failure}");
}

#[durable_test]
async fn time_passes_when_all_wait_or_when_the_test_says_so(run: TestRun) {
    let hour = Duration::from_secs(60 * 60);
    let (outside, clock) = (Witness::default(), run.clock());
    let server = open(&run, &outside).await;
    let began = clock.now();
    let calling = tokio::spawn(server.call("order", json!({ "item": "tea" })).into_future());
    clock.advance(Duration::from_secs(60)).await;
    assert_eq!(clock.now(), Timestamp::from_millis(began.as_millis() + 60_000));
    assert_eq!((outside.times("price"), calling.is_finished()), (2, false));
    clock.advance(hour).await;
    assert!(calling.is_finished());
    assert_eq!(value(calling.await.expect("the call goes on")), 9);
}

#[durable_test(crash = every_point)]
async fn a_question_is_answered_by_the_test(run: TestRun) {
    let server = open(&run, &Witness::default()).await;
    let agree = |_: &str, _: &Value| json!({ "action": "accept", "content": { "confirm": true } });
    assert_eq!(value(server.call("ask", json!({})).answering(agree).await), true);
}

#[durable_test]
async fn a_server_comes_back_when_the_test_crashes_or_restarts_it(run: TestRun) {
    let outside = Witness::default();
    let server = open(&run, &outside).await;
    let calling = tokio::spawn(server.call("order", json!({ "item": "tea" })).into_future());
    run.clock().advance(Duration::from_secs(60)).await;
    server.crash().await;
    run.clock().advance(Duration::from_secs(60)).await;
    server.restart().await;
    assert_eq!(value(calling.await.expect("the call goes on")), 9);
    assert_eq!(outside.times("price"), 2);
    let again = server.call("order", json!({ "item": "tea" })).idempotency_key("call 1 of the test").await;
    assert!(again.expect("an answer").is_replayed);
}

#[durable_test]
async fn callers_are_told_apart(run: TestRun) {
    let server = open(&run, &Witness::default()).await;
    let pay = |who: &str| server.call("pay", json!({})).idempotency_key("k").principal(who);
    let [ada, bob] = [value(pay("ada").await), value(pay("bob").await)];
    assert_ne!(ada, bob);
    assert_eq!(value(pay("ada").await), ada);
}
