//! What becomes of an at-most-once step in doubt when the outside system can be asked.

#![allow(clippy::unused_async, reason = "a step is an async function, whether it waits or not")]

mod support;

use std::sync::Mutex;
use std::time::Duration;

use durable_runtime::prelude::*;
use durable_runtime::store::MemoryBackend;
use serde_json::json;

use self::support::{Process, effect, effects, server, server_on};

const RECEIPTS: SortedMap<String> = SortedMap::new("receipts");

/// What the outside system says each time it is asked, by run; it keeps saying the last.
static SAYS: Mutex<Vec<(String, Vec<&'static str>)>> = Mutex::new(Vec::new());

fn says(run: &str, answers: &[&'static str]) {
    SAYS.lock().expect("no panic").push((run.to_owned(), answers.to_vec()));
}

fn said(run: &str) -> &'static str {
    let mut says = SAYS.lock().expect("no panic");
    let (_, answers) = says.iter_mut().find(|(of, _)| of == run).expect("a run that says something");
    if answers.len() > 1 { answers.remove(0) } else { answers[0] }
}

/// Hangs in its first attempt.
async fn charge(cx: &StepContext, run: &str) -> Result<String, ToolError> {
    effect(run, cx);
    if cx.attempt() == 1 {
        std::future::pending::<()>().await;
    }
    Ok(format!("charged in attempt {}", cx.attempt()))
}

async fn find_charge(cx: &StepContext, run: &str) -> Result<Reconciled<String>, ToolError> {
    match said(run) {
        "happened" => {
            let receipt = format!("found of attempt {} under {}", cx.attempt(), cx.idempotency_key());
            RECEIPTS.insert(cx, [(run.to_owned(), receipt.clone())]).await?;
            Ok(Reconciled::Happened(receipt))
        }
        "did not happen" => Ok(Reconciled::DidNotHappen),
        "unknown" => Ok(Reconciled::Unknown),
        "hang" => std::future::pending().await,
        _ => Err(ToolError::new("the service is away")),
    }
}

/// Charges, and asks what became of it if that is not known.
#[durable_tool]
async fn pay(cx: &DurableContext, run: String) -> Result<(String, Option<String>), ToolError> {
    #[once(at_most, reconcile = find_charge(cx, &run), retry(attempts = 3))]
    let charged = charge(cx, &run).await?;
    Ok((charged, RECEIPTS.get(cx, run).await?))
}

/// The same with a time limit.
#[durable_tool]
async fn pay_in_time(cx: &DurableContext, run: String) -> Result<String, ToolError> {
    #[once(at_most, reconcile = find_charge(cx, &run), timeout = "1s")]
    let charged = charge(cx, &run).await?;
    Ok(charged)
}

/// Kills a server in the first attempt, and gives what the call ends with under the next one, which is validated.
fn after_a_kill(run: &str) -> Result<serde_json::Value, String> {
    let rows = MemoryBackend::default();
    let first = Process::start(server_on(rows.clone()).tool(pay));
    first.begin("pay", json!({ "run": run }));
    while effects(run).is_empty() {
        std::thread::yield_now();
    }
    first.kill();
    ended(&rows, run)
}

fn ended(rows: &MemoryBackend, run: &str) -> Result<serde_json::Value, String> {
    let next = Process::start(server_on(rows.clone()).tool(pay));
    let call = next.server.call("pay", json!({ "run": run })).idempotency_key("k");
    let answer = next.runtime.block_on(call.into_future()).expect("an answer");
    assert_eq!(next.runtime.block_on(next.server.validate()).expect("a readable store"), Vec::new());
    answer.result.map_err(|error| error.message)
}

#[test]
fn a_step_in_doubt_that_happened_has_the_value_that_was_found_and_is_not_attempted_again() {
    says("happened", &["happened"]);
    let result = after_a_kill("happened").expect("a result");
    let found = result[0].as_str().expect("a text");
    assert!(found.starts_with("found of attempt 1 under "), "{found}");
    // What the inquiry wrote is there too.
    assert_eq!(result[1], result[0]);
    assert_eq!(effects("happened"), ["charge 1"]);
}

#[test]
fn a_step_in_doubt_that_did_not_happen_is_attempted_again() {
    says("did not happen", &["did not happen"]);
    assert_eq!(after_a_kill("did not happen"), Ok(json!(["charged in attempt 2", null])));
    assert_eq!(effects("did not happen"), ["charge 1", "charge 2"]);
}

#[test]
fn a_step_in_doubt_of_which_nothing_is_known_ends_with_the_error() {
    says("unknown", &["unknown"]);
    let error = after_a_kill("unknown").expect_err("in doubt");
    assert!(error.contains("attempt 1 of the at-most-once step `charge`"), "{error}");
    assert_eq!(effects("unknown"), ["charge 1"]);
}

#[test]
fn an_inquiry_that_fails_is_retried_and_the_step_stays_in_doubt_when_the_retries_end() {
    says("away twice", &["away", "away", "happened"]);
    assert!(after_a_kill("away twice").is_ok());
    says("away", &["away"]);
    let error = after_a_kill("away").expect_err("in doubt");
    assert!(error.contains("attempt 1 of the at-most-once step `charge`"), "{error}");
    assert_eq!((effects("away twice").len(), effects("away").len()), (1, 1));
}

#[test]
fn an_inquiry_that_a_kill_cuts_off_is_made_again() {
    let run = "killed while asked";
    says(run, &["hang", "did not happen"]);
    let rows = MemoryBackend::default();
    let first = Process::start(server_on(rows.clone()).tool(pay));
    first.begin("pay", json!({ "run": run }));
    while effects(run).is_empty() {
        std::thread::yield_now();
    }
    first.kill();
    let second = Process::start(server_on(rows.clone()).tool(pay));
    while said_next(run) == "hang" {
        std::thread::yield_now();
    }
    second.kill();
    assert_eq!(ended(&rows, run), Ok(json!(["charged in attempt 2", null])));
}

fn said_next(run: &str) -> &'static str {
    let says = SAYS.lock().expect("no panic");
    says.iter().find(|(of, _)| of == run).expect("a run that says something").1[0]
}

#[tokio::test]
async fn an_attempt_that_times_out_is_asked_about_too() {
    says("slow", &["did not happen"]);
    let server = server().tool(pay_in_time).open().await.expect("a server");
    let answer = tokio::time::timeout(Duration::from_secs(60), server.call("pay_in_time", json!({ "run": "slow" })));
    let answer = answer.await.expect("in time").expect("an answer");
    assert_eq!(answer.result, Ok(json!("charged in attempt 2")));
    assert_eq!(effects("slow"), ["charge 1", "charge 2"]);
}
