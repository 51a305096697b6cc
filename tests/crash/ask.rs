//! Questions over the end of their process.

use durable_tests::{Events, HttpClient, Revision, eventually};
use serde_json::{Value, json};

use crate::fixture;

fn named(name: &str) -> Value {
    json!({ "action": "accept", "content": { "name": name } })
}

fn capabilities() -> Value {
    json!({ "elicitation": {}, "extensions": { "io.modelcontextprotocol/tasks": {} } })
}

/// The next message of a stream, and the id of the last event seen.
async fn next(stream: &mut Events, last: &mut String) -> Option<Value> {
    loop {
        let event = stream.next().await?;
        if let Some(id) = event.id {
            *last = id;
        }
        if event.message.is_some() {
            return event.message;
        }
    }
}

#[tokio::test]
async fn a_session_is_asked_again_after_a_death_and_the_old_question_is_cancelled() {
    let fixture = fixture();
    let server = fixture.start(&[]);
    let client = HttpClient::connect_as(server.url(), Revision::November2025, None, capabilities()).await;
    let (mut stream, mut last) = (client.begin("asks", &json!({})).await, String::new());
    let first = next(&mut stream, &mut last).await.expect("a question");
    assert_eq!(first["method"], "elicitation/create", "{first}");
    server.kill();
    let server = fixture.start(&[]);
    let client = client.moved_to(server.url());
    let mut stream = client.come_back(&last).await;
    let cancelled = next(&mut stream, &mut last).await.expect("a message");
    assert_eq!(cancelled["method"], "notifications/cancelled", "{cancelled}");
    assert_eq!(cancelled["params"]["requestId"], first["id"]);
    let second = next(&mut stream, &mut last).await.expect("a question");
    assert_eq!(second["params"], first["params"], "{second}");
    assert_ne!(second["id"], first["id"]);
    assert_eq!(client.answer(&second["id"], named("Ada")).await, 202);
    let response = next(&mut stream, &mut last).await.expect("a response");
    assert_eq!(response["result"]["content"][0]["text"], "Hello, Ada!", "{response}");
    assert_eq!(fixture.seen(), ["before 1", "after 1"]);
    server.stop().await;
}

#[tokio::test]
async fn an_answer_to_the_question_of_a_process_that_died_counts() {
    let fixture = fixture();
    let server = fixture.start(&[]);
    let client = HttpClient::connect_as(server.url(), Revision::November2025, None, capabilities()).await;
    let (mut stream, mut last) = (client.begin("asks", &json!({})).await, String::new());
    let question = next(&mut stream, &mut last).await.expect("a question");
    server.kill();
    let server = fixture.start(&[]);
    let client = client.moved_to(server.url());
    // Another session has no say in it.
    let other = HttpClient::connect_as(server.url(), Revision::November2025, None, capabilities()).await;
    assert_eq!(other.answer(&question["id"], named("Eve")).await, 202);
    assert_eq!(client.answer(&question["id"], named("Ada")).await, 202);
    // It is durable with the acknowledgement.
    server.kill();
    let server = fixture.start(&[]);
    let client = client.moved_to(server.url());
    let response = next(&mut client.come_back(&last).await, &mut last).await.expect("a response");
    let said = response["result"]["content"][0]["text"].as_str().expect("a text");
    // The step after the question is at most once, and may have been cut off; nobody is asked again.
    assert!(said == "Hello, Ada!" || said.contains("`after`"), "{response}");
    assert_eq!(fixture.counts()["before"], 1);
    server.stop().await;
}

#[tokio::test]
async fn a_state_that_was_sealed_before_a_death_is_good_after_it() {
    let fixture = fixture();
    fixture.hold("after.before");
    let server = fixture.start(&[]);
    let client = HttpClient::connect_as(server.url(), Revision::July2026, None, capabilities()).await;
    let asked = client.call("asks", &json!({}), &[]).await.json()["result"].clone();
    assert_eq!(asked["resultType"], "input_required", "{asked}");
    server.kill();
    let server = fixture.start(&[]);
    let client = client.moved_to(server.url());
    let answered = {
        let (client, state) = (client.clone(), asked["requestState"].clone());
        let answers = json!({ "user_name": named("Ada") });
        tokio::spawn(async move { client.call_with_answers("asks", &json!({}), &state, answers).await })
    };
    fixture.reached("after.before").await;
    answered.abort();
    // The answer is recorded; who comes back with it gets the result, and is not asked again.
    server.kill();
    fixture.release("after.before");
    let server = fixture.start(&[]);
    let client = client.moved_to(server.url());
    let answers = json!({ "user_name": named("Ada") });
    let result = client.call_with_answers("asks", &json!({}), &asked["requestState"], answers).await.json();
    // The step after the question was at most once, and was cut off.
    assert_eq!(result["result"]["isError"], true, "{result}");
    let failure = result["result"]["content"][0]["text"].as_str().expect("a text");
    assert!(failure.contains("after"), "{result}");
    assert_eq!(fixture.seen(), ["before 1"]);
    server.stop().await;
}

#[tokio::test]
async fn a_task_goes_on_asking_after_a_death() {
    let fixture = fixture();
    let flags = ["--task-after", "0"];
    let server = fixture.start(&flags);
    let client = HttpClient::connect_as(server.url(), Revision::July2026, None, capabilities()).await;
    let created = client.call("asks", &json!({}), &[]).await.json();
    let id = created["result"]["taskId"].as_str().expect("a task").to_owned();
    let asking = async |client: &HttpClient| {
        eventually("the question", async || {
            let state = client.task(&id).await.json()["result"].clone();
            (state["status"] == "input_required").then_some(state)
        })
        .await
    };
    let before = asking(&client).await;
    server.kill();
    let server = fixture.start(&flags);
    let client = client.moved_to(server.url());
    // At once: it is read from the store, for the call is not in memory.
    let after = client.task(&id).await.json()["result"].clone();
    assert_eq!(after["inputRequests"], before["inputRequests"], "{after}");
    client.update_task(&id, json!({ "user_name": named("Ada") })).await;
    server.kill();
    let server = fixture.start(&flags);
    let client = client.moved_to(server.url());
    let ended = eventually("the end of the task", async || {
        let state = client.task(&id).await.json()["result"].clone();
        (state["status"] == "completed").then_some(state)
    })
    .await;
    assert!(
        ended["result"]["content"][0]["text"]
            .as_str()
            .is_some_and(|text| text.contains("Ada") || text.contains("after"))
    );
    let again = client.update_task(&id, json!({ "user_name": named("Eve") })).await.json();
    assert_eq!(again["error"]["data"]["type"], "answer_conflict", "{again}");
    server.stop().await;
}

#[tokio::test]
async fn progress_that_was_told_is_not_told_again() {
    let fixture = fixture();
    fixture.hold("last.before");
    let server = fixture.start(&[]);
    let client = HttpClient::connect_as(server.url(), Revision::November2025, None, capabilities()).await;
    let mut stream = client.begin_with_meta("tells", &json!({}), json!({ "progressToken": 7 })).await;
    let (mut told, mut last) = (Vec::new(), String::new());
    while told.len() < 3 {
        let message = next(&mut stream, &mut last).await.expect("a message");
        if message["method"] == "notifications/progress" {
            told.push(message["params"]["progress"].as_f64().expect("a number"));
        }
    }
    fixture.reached("last.before").await;
    server.kill();
    fixture.release("last.before");
    let server = fixture.start(&[]);
    let client = client.moved_to(server.url());
    let rest = client.come_back(&last).await.rest().await;
    let rest: Vec<Value> = rest.into_iter().filter_map(|event| event.message).collect();
    let again = rest.iter().filter(|message| message["method"] == "notifications/progress");
    assert!(again.clone().count() <= 1, "{rest:?}");
    for message in again {
        assert_eq!((&message["params"]["progress"], &message["params"]["progressToken"]), (&json!(4.0), &json!(7)));
    }
    assert_eq!(rest.iter().filter(|message| message["method"] == "notifications/message").count(), 0, "{rest:?}");
    assert_eq!(told, [1.0, 2.0, 3.0]);
    assert!(rest.last().expect("a response")["result"].is_object(), "{rest:?}");
    server.stop().await;
}

#[tokio::test]
async fn a_call_made_again_under_its_key_is_told_only_what_was_not_told_before_the_death() {
    let fixture = fixture();
    fixture.hold("last.before");
    let server = fixture.start(&[]);
    let client = HttpClient::connect(server.url(), Revision::July2026).await;
    let meta = json!({
        "progressToken": 7,
        "io.modelcontextprotocol/logLevel": "warning",
        "durable/idempotency-key": crate::KEY,
    });
    let mut stream = client.begin_with_meta("tells", &json!({}), meta.clone()).await;
    let (mut told, mut last) = (Vec::new(), String::new());
    while told.len() < 4 {
        let message = next(&mut stream, &mut last).await.expect("a message");
        told.push(message["params"]["progress"].as_f64().unwrap_or(0.0));
    }
    // The message of the log has no number.
    assert_eq!(told, [1.0, 0.0, 2.0, 3.0]);
    fixture.reached("last.before").await;
    server.kill();
    let server = fixture.start(&[]);
    let client = client.moved_to(server.url());
    fixture.reached("last.before").await;
    let again = tokio::spawn(async move { client.begin_with_meta("tells", &json!({}), meta).await.rest().await });
    fixture.release("last.before");
    let rest: Vec<Value> = again.await.expect("an answer").into_iter().filter_map(|event| event.message).collect();
    let (response, told) = rest.split_last().expect("a response");
    assert!(response["result"].is_object(), "{rest:?}");
    // What comes after the death may have come before the call was made again.
    assert!(told.len() <= 1 && told.iter().all(|message| message["params"]["progress"] == 4.0), "{rest:?}");
    server.stop().await;
}
