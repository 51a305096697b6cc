//! Questions of a call to its client: asked once, answered once, whatever happens in between.
#![allow(clippy::unused_async, reason = "a step is an async function, whether it waits or not")]

mod support;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use durable_runtime::prelude::*;
use durable_runtime::store::{GroupCommit, MemoryBackend};
use durable_runtime::{Limits, LocalCall, ServerBuilder};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use self::support::{HeldClock, Process, effect, effects, slow_server};

#[derive(Debug, Deserialize, Serialize, JsonSchema)]
struct Person {
    name: String,
    /// In years
    age: Option<u8>,
}

async fn count(cx: &StepContext, run: &str) -> Result<u32, ToolError> {
    effect(run, cx);
    Ok(1)
}

/// Asks who somebody is, between two steps.
#[durable_tool]
async fn asks(cx: &DurableContext, run: String) -> Result<String, ToolError> {
    #[once(at_least, name = "before")]
    count(cx, &run).await?;
    let person = cx.elicit::<Person>("Who are you?").named("who").await;
    #[once(at_most, name = "after")]
    count(cx, &run).await?;
    Ok(match person {
        Elicited::Accepted(person) => format!("{} {:?}", person.name, person.age),
        Elicited::Unavailable(why) => format!("unavailable: {why}"),
        other => format!("{other:?}"),
    })
}

/// Asks two things at once.
#[durable_tool]
async fn asks_two(cx: &DurableContext) -> Result<[String; 2], ToolError> {
    let (person, text) = join!(async { cx.elicit::<Person>("Who?").named("who").await.accepted() }, async {
        cx.sample(Sampling::new("Say something", 10)).await
    },);
    Ok([person?.name, text?.text()])
}

/// Asks for at most an hour, with something else beside it.
#[durable_tool]
async fn races(cx: &DurableContext, run: String) -> Result<String, ToolError> {
    let answer =
        race!(async { cx.elicit::<Person>("Who?").named("who").await.accepted().map(|person| person.name) }, async {
            cx.sleep(Duration::from_secs(3600)).await;
            Ok("nobody".to_owned())
        },)?;
    cx.sleep(Duration::from_secs(3600)).await;
    #[once(at_least)]
    count(cx, &run).await?;
    Ok(answer)
}

/// Asks twice under one name.
#[durable_tool]
async fn asks_alike(cx: &DurableContext) -> Result<(), ToolError> {
    let first = cx.elicit::<Person>("Who?").named("who").await;
    let second = cx.elicit::<Person>("Who else?").named("who").await;
    drop((first, second));
    Ok(())
}

#[derive(Deserialize, JsonSchema)]
#[allow(dead_code, reason = "only its schema is looked at")]
struct Nested {
    person: Person,
}

/// Asks for what no form has.
#[durable_tool]
async fn asks_badly(cx: &DurableContext) -> Result<(), ToolError> {
    let _nested = cx.elicit::<Nested>("Who?").await;
    Ok(())
}

fn with_tools(builder: ServerBuilder) -> ServerBuilder {
    builder.tools(tools![asks, asks_two, races, asks_alike, asks_badly])
}

fn call(server: &Server, tool: &str, run: &str) -> LocalCall {
    server.call(tool, json!({ "run": run })).idempotency_key("k")
}

fn accepted(name: &str) -> Value {
    json!({ "action": "accept", "content": { "name": name } })
}

#[tokio::test]
async fn what_a_person_answers_is_given_to_the_body() {
    let server = with_tools(slow_server(&MemoryBackend::default())).open().await.expect("a server");
    let before = server.commit_counts().groups;
    let answers: [(&str, Value, &str); 4] = [
        ("accepted", json!({ "action": "accept", "content": { "name": "Ada", "age": 36 } }), "Ada Some(36)"),
        ("in part", accepted("Ada"), "Ada None"),
        ("declined", json!({ "action": "decline" }), "Declined"),
        ("cancelled", json!({ "action": "cancel" }), "Cancelled"),
    ];
    for (run, answer, expected) in answers {
        let call = server.call("asks", json!({ "run": run })).answering(move |key, request| {
            assert_eq!((key, &request["method"]), ("who", &json!("elicitation/create")));
            let params = &request["params"];
            assert_eq!(params["message"], "Who are you?");
            assert_eq!(params["requestedSchema"]["properties"]["age"]["description"], "In years");
            assert_eq!(params["requestedSchema"]["required"], json!(["name"]));
            answer.clone()
        });
        assert_eq!(call.await.expect("an answer").result, Ok(json!(expected)));
        assert_eq!(effects(run), ["before 1", "after 1"]);
    }
    // Two steps are three commits, and a question is one more.
    assert_eq!(server.commit_counts().groups - before, 4 * 4);
    assert_eq!(server.validate().await.expect("a readable store"), []);
}

#[tokio::test]
async fn a_call_that_nobody_made_over_a_connection_is_told_that_nobody_can_be_asked() {
    let server = with_tools(slow_server(&MemoryBackend::default())).open().await.expect("a server");
    let answer = call(&server, "asks", "nobody").await.expect("an answer").result.expect("a value");
    assert!(answer.as_str().is_some_and(|text| text.starts_with("unavailable: the call was made within")), "{answer}");
}

#[test]
fn a_question_survives_restarts_and_what_is_in_front_of_it_is_not_run_again() {
    let rows = MemoryBackend::default();
    let first = Process::start(with_tools(slow_server(&rows)));
    let waiting = call(&first.server, "asks", "restarted").answering(|_, _| Value::Null);
    drop(first.runtime.spawn(waiting.into_future()));
    // The opening, the secret, the admission, the outcome with the question.
    first.wait_for_commits(4);
    first.kill();
    for _ in 0..3 {
        Process::start(with_tools(slow_server(&rows))).kill();
    }
    let last = Process::start(with_tools(slow_server(&rows)));
    let answering = call(&last.server, "asks", "restarted").answering(|_, _| accepted("Ada"));
    let answer = last.runtime.block_on(answering.into_future()).expect("an answer");
    assert_eq!(answer.result, Ok(json!("Ada None")));
    assert_eq!(effects("restarted"), ["before 1", "after 1"]);
    assert_eq!(last.runtime.block_on(last.server.validate()).expect("a readable store"), []);
}

/// Waits for ever, after a question.
#[durable_tool]
async fn asks_and_hangs(cx: &DurableContext, run: String) -> Result<String, ToolError> {
    let person = cx.elicit::<Person>("Who?").await.accepted()?;
    #[once(at_least)]
    hang_at_first(cx, &run).await?;
    Ok(person.name)
}

async fn hang_at_first(cx: &StepContext, run: &str) -> Result<u32, ToolError> {
    effect(run, cx);
    if effects(run).len() == 1 {
        std::future::pending::<()>().await;
    }
    Ok(1)
}

#[test]
fn an_answer_that_is_recorded_is_not_asked_for_again() {
    let rows = MemoryBackend::default();
    let first = Process::start(slow_server(&rows).tool(asks_and_hangs));
    let asked = call(&first.server, "asks_and_hangs", "answered").answering(|_, _| accepted("Ada"));
    drop(first.runtime.spawn(asked.into_future()));
    while effects("answered").is_empty() {
        std::thread::yield_now();
    }
    first.kill();
    let last = Process::start(slow_server(&rows).tool(asks_and_hangs));
    let again = call(&last.server, "asks_and_hangs", "answered").answering(|_, _| panic!("it is asked again"));
    let answer = last.runtime.block_on(again.into_future()).expect("an answer");
    assert_eq!(answer.result, Ok(json!("Ada")));
}

#[tokio::test]
async fn what_is_no_answer_leaves_the_question_open_and_the_first_answer_counts() {
    let server = with_tools(slow_server(&MemoryBackend::default())).open().await.expect("a server");
    for (run, no_answer) in [
        ("null", Value::Null),
        ("number", json!(12345)),
        ("no action", json!({ "content": { "name": "Eve" } })),
        ("another action", json!({ "action": "agree", "content": { "name": "Eve" } })),
        ("a field too few", json!({ "action": "accept", "content": { "age": 3 } })),
        ("a wrong type", json!({ "action": "accept", "content": { "name": "Eve", "age": "three" } })),
        ("too large a number", json!({ "action": "accept", "content": { "name": "Eve", "age": 300 } })),
        ("too large", json!({ "action": "accept", "content": { "name": "x".repeat(5 << 20) } })),
    ] {
        let asked = Arc::new(Mutex::new(0));
        let seen = Arc::clone(&asked);
        let key = server.call("asks", json!({ "run": run })).idempotency_key(run);
        let wrong = tokio::spawn(
            key.answering(move |_, _| {
                *seen.lock().expect("no panic") += 1;
                no_answer.clone()
            })
            .into_future(),
        );
        while *asked.lock().expect("no panic") == 0 {
            tokio::task::yield_now().await;
        }
        let right = server.call("asks", json!({ "run": run })).idempotency_key(run).answering(|_, _| accepted("Ada"));
        assert_eq!(right.await.expect("an answer").result, Ok(json!("Ada None")), "{run}");
        assert_eq!(wrong.await.expect("no panic").expect("an answer").result, Ok(json!("Ada None")));
        assert_eq!(effects(run), ["before 1", "after 1"]);
    }
}

#[tokio::test]
async fn several_questions_are_asked_at_once_and_answered_one_by_one() {
    let server = with_tools(slow_server(&MemoryBackend::default())).open().await.expect("a server");
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&asked);
    let call = || server.call("asks_two", json!({})).idempotency_key("k");
    let half = tokio::spawn(
        call()
            .answering(move |key, _| {
                seen.lock().expect("no panic").push(key.to_owned());
                if key == "who" { accepted("Ada") } else { Value::Null }
            })
            .into_future(),
    );
    while asked.lock().expect("no panic").len() < 2 {
        tokio::task::yield_now().await;
    }
    let other = call().answering(|key, request| {
        if key == "who" {
            // The answer of the first is on its way.
            return accepted("Eve");
        }
        assert_eq!(request["params"]["maxTokens"], 10);
        json!({ "role": "assistant", "model": "m", "content": { "type": "text", "text": "Hello" } })
    });
    assert_eq!(other.await.expect("an answer").result, Ok(json!(["Ada", "Hello"])));
    assert_eq!(half.await.expect("no panic").expect("an answer").result, Ok(json!(["Ada", "Hello"])));
    assert_eq!(asked.lock().expect("no panic").len(), 2);
    assert_eq!(server.validate().await.expect("a readable store"), []);
}

fn held(rows: &MemoryBackend, clock: &HeldClock) -> ServerBuilder {
    let store = GroupCommit::new(rows.clone()).expect("a thread");
    with_tools(Server::builder("test", "0").custom_store(store).clock(clock.clone()))
}

#[tokio::test]
async fn a_question_expires() {
    let (rows, clock) = (MemoryBackend::default(), HeldClock::default());
    let server = held(&rows, &clock).open().await.expect("a server");
    let waiting = tokio::spawn(call(&server, "asks", "expires").answering(|_, _| Value::Null).into_future());
    while effects("expires").is_empty() {
        tokio::task::yield_now().await;
    }
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    clock.advance(Duration::from_secs(24 * 60 * 60 - 1));
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    clock.advance(Duration::from_secs(1));
    assert_eq!(waiting.await.expect("no panic").expect("an answer").result, Ok(json!("Expired")));
    assert_eq!(server.validate().await.expect("a readable store"), []);
}

#[tokio::test]
async fn a_question_that_lost_a_race_is_withdrawn_and_stays_so() {
    let (rows, clock) = (MemoryBackend::default(), HeldClock::default());
    let server = held(&rows, &clock).open().await.expect("a server");
    let asked = Arc::new(Mutex::new(0));
    let seen = Arc::clone(&asked);
    let waiting = call(&server, "races", "withdrawn").answering(move |_, _| {
        *seen.lock().expect("no panic") += 1;
        Value::Null
    });
    let waiting = tokio::spawn(waiting.into_future());
    while *asked.lock().expect("no panic") == 0 {
        tokio::task::yield_now().await;
    }
    let before = server.commit_counts().groups;
    clock.advance(Duration::from_secs(3600));
    while server.commit_counts().groups == before {
        tokio::task::yield_now().await;
    }
    // Somebody who comes now is not asked.
    let late = tokio::spawn(call(&server, "races", "withdrawn").answering(|_, _| panic!("it is asked")).into_future());
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    clock.advance(Duration::from_secs(3600));
    for answer in [waiting, late] {
        assert_eq!(answer.await.expect("no panic").expect("an answer").result, Ok(json!("nobody")));
    }
    assert_eq!(effects("withdrawn"), ["count 1"]);
    assert_eq!(server.validate().await.expect("a readable store"), []);
}

#[tokio::test]
async fn a_call_that_waits_for_an_answer_takes_no_place_in_memory() {
    let mut limits = Limits::default();
    limits.running = 1;
    let server = with_tools(slow_server(&MemoryBackend::default())).limits(limits).open().await.expect("a server");
    let runs = ["one", "two", "three"];
    for run in runs {
        // There is one place, so each call gets in only when the one before has left its place.
        loop {
            let asks = server.call("asks", json!({ "run": run })).idempotency_key(run).answering(|_, _| Value::Null);
            let asks = tokio::spawn(asks.into_future());
            while effects(run).is_empty() && !asks.is_finished() {
                tokio::task::yield_now().await;
            }
            let is_in = !effects(run).is_empty();
            asks.abort();
            if is_in {
                break;
            }
        }
    }
    for run in runs {
        let answered =
            || server.call("asks", json!({ "run": run })).idempotency_key(run).answering(|_, _| accepted("Ada"));
        assert_eq!(answered().await.expect("an answer").result, Ok(json!("Ada None")));
        assert_eq!(effects(run), ["before 1", "after 1"]);
    }
}

#[tokio::test]
async fn questions_that_cannot_be_asked_park_the_call_and_say_why() {
    let server = with_tools(slow_server(&MemoryBackend::default())).open().await.expect("a server");
    for (tool, code) in [("asks_alike", "duplicate_operation"), ("asks_badly", "question_invalid")] {
        let call = server.call(tool, json!({})).answering(|_, _| accepted("Ada"));
        let error = call.await.expect_err("parked");
        assert_eq!(error.code(), "invocation_parked");
        assert!(error.message().contains(code), "{error}");
    }
}

#[test]
fn a_call_that_was_answered_goes_on_by_itself_after_a_restart() {
    let rows = MemoryBackend::default();
    let run = "goes on";
    let first = Process::start(slow_server(&rows).tool(asks_and_hangs));
    let asked = call(&first.server, "asks_and_hangs", run).answering(|_, _| accepted("Ada"));
    drop(first.runtime.spawn(asked.into_future()));
    while effects(run).is_empty() {
        std::thread::yield_now();
    }
    first.kill();
    // Nobody asks for it.
    let last = Process::start(slow_server(&rows).tool(asks_and_hangs));
    while effects(run).len() < 2 {
        std::thread::yield_now();
    }
    drop(last);
}
