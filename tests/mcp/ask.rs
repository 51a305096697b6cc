//! Questions to clients, progress and messages, in each way that the protocol has for them.

use durable_tests::{Events, HttpClient, Revision, ServerProcess, eventually};
use serde_json::{Value, json};

use crate::fixture;

fn all_capabilities() -> Value {
    json!({
        "elicitation": {},
        "sampling": {},
        "roots": {},
        "extensions": { "io.modelcontextprotocol/tasks": {} },
    })
}

async fn client(server: &ServerProcess, revision: Revision) -> HttpClient {
    HttpClient::connect_as(server.url(), revision, None, all_capabilities()).await
}

fn named(name: &str) -> Value {
    json!({ "action": "accept", "content": { "name": name } })
}

/// The next message of a stream, events without one left out.
async fn next(stream: &mut Events) -> Value {
    loop {
        let event = stream.next().await.expect("an event");
        if let Some(message) = event.message {
            return message;
        }
    }
}

fn text(result: &Value) -> &str {
    result["structuredContent"].as_str().or_else(|| result["content"][0]["text"].as_str()).unwrap_or_default()
}

#[tokio::test]
async fn a_session_is_asked_on_the_stream_of_the_call() {
    let fixture = fixture();
    let server = fixture.start(&[]);
    let client = client(&server, Revision::November2025).await;
    let mut stream = client.begin("asks", &json!({})).await;
    let question = next(&mut stream).await;
    assert_eq!(question["method"], "elicitation/create", "{question}");
    assert_eq!(question["params"]["message"], "What is your name?");
    assert_eq!(question["params"]["requestedSchema"]["properties"]["name"]["type"], "string");
    assert_eq!(fixture.seen(), ["before 1"]);
    assert_eq!(client.answer(&question["id"], named("Ada")).await, 202);
    let response = next(&mut stream).await;
    assert_eq!(text(&response["result"]), "Hello, Ada!", "{response}");
    assert_eq!(fixture.seen(), ["before 1", "after 1"]);
    // Another answer changes nothing.
    assert_eq!(client.answer(&question["id"], named("Eve")).await, 202);
    server.stop().await;
}

#[tokio::test]
async fn a_session_that_answers_what_is_no_answer_is_asked_again_and_not_for_ever() {
    let fixture = fixture();
    let server = fixture.start(&[]);
    let client = client(&server, Revision::November2025).await;
    let mut stream = client.begin("asks", &json!({})).await;
    let mut ids = Vec::new();
    for no_answer in [json!({}), json!({ "action": "accept", "content": { "name": 7 } }), json!({ "action": "?" })] {
        let question = next(&mut stream).await;
        assert_eq!(question["method"], "elicitation/create", "{question}");
        assert!(!ids.contains(&question["id"]), "an id is used twice");
        ids.push(question["id"].clone());
        assert_eq!(client.answer(&question["id"], no_answer).await, 202);
    }
    let response = next(&mut stream).await;
    let said = text(&response["result"]).to_owned();
    assert!(said.contains("Unavailable") && said.contains("none 3 times"), "{response}");
    server.stop().await;
}

#[tokio::test]
async fn a_client_without_the_capability_is_not_asked_and_the_tool_is_told() {
    let fixture = fixture();
    let server = fixture.start(&[]);
    for revision in Revision::ALL {
        let client = HttpClient::connect(server.url(), revision).await;
        let reply = client.call("asks", &json!({}), &[]).await.json();
        let said = text(&reply["result"]).to_owned();
        assert!(said.contains("does not have the capability `elicitation`"), "{reply}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_call_of_2026_is_answered_with_the_question_and_goes_on_with_the_answer() {
    let fixture = fixture();
    let server = fixture.start(&[]);
    let client = client(&server, Revision::July2026).await;
    let asked = client.call("asks", &json!({}), &[]).await.json()["result"].clone();
    assert_eq!(asked["resultType"], "input_required", "{asked}");
    let question = &asked["inputRequests"]["user_name"];
    assert_eq!(question["method"], "elicitation/create", "{asked}");
    let state = &asked["requestState"];
    let again = async |answers: Value| {
        client.call_with_answers("asks", &json!({}), state, answers).await.json()["result"].clone()
    };
    for no_answer in [
        json!({}),
        json!({ "another_key": named("Eve") }),
        json!({ "user_name": null }),
        json!({ "user_name": 12345 }),
        json!({ "user_name": { "action": "accept", "content": { "name": null } } }),
    ] {
        let asked = again(no_answer.clone()).await;
        assert_eq!(asked["resultType"], "input_required", "{no_answer}: {asked}");
        assert_eq!(&asked["inputRequests"]["user_name"], question);
    }
    assert_eq!(fixture.seen(), ["before 1"]);
    let answered = again(json!({ "user_name": named("Ada"), "another_key": named("Eve") })).await;
    assert_eq!(answered["resultType"], "complete", "{answered}");
    assert_eq!(text(&answered), "Hello, Ada!");
    // The same answer gets the same reply, and another one is a conflict.
    let same = again(json!({ "user_name": named("Ada") })).await;
    assert_eq!(text(&same), text(&answered));
    let other = client.call_with_answers("asks", &json!({}), state, json!({ "user_name": named("Eve") })).await.json();
    assert_eq!(other["error"]["code"], -32602, "{other}");
    assert_eq!(other["error"]["data"]["type"], "answer_conflict");
    assert_eq!(fixture.seen(), ["before 1", "after 1"]);
    server.stop().await;
}

#[tokio::test]
async fn a_state_is_good_for_its_own_call_and_caller() {
    let fixture = fixture();
    let server = fixture.start(&["--authenticate"]);
    let connect =
        async |who: &str| HttpClient::connect_as(server.url(), Revision::July2026, Some(who), all_capabilities()).await;
    let ada = connect("token of ada").await;
    let bob = connect("token of bob").await;
    let asked = ada.call("asks", &json!({}), &[]).await.json()["result"].clone();
    let state = asked["requestState"].as_str().expect("a state").to_owned();
    let answers = json!({ "user_name": named("Eve") });
    let mut changed = state.clone().into_bytes();
    let last = changed.len() - 1;
    changed[last] ^= 1;
    let changed = String::from_utf8_lossy(&changed).into_owned();
    let refusals = [
        bob.call_with_answers("asks", &json!({}), &json!(state), answers.clone()).await.json(),
        ada.call_with_answers("asks_twice", &json!({}), &json!(state), answers.clone()).await.json(),
        ada.call_with_answers("asks", &json!({}), &json!(changed), answers.clone()).await.json(),
        ada.call_with_answers("asks", &json!({}), &json!("nonsense"), answers).await.json(),
    ];
    for refused in refusals {
        assert_eq!(refused["error"]["code"], -32602, "{refused}");
        assert_eq!(refused["error"]["data"]["type"], "request_state_invalid", "{refused}");
    }
    let own = ada.call_with_answers("asks", &json!({}), &json!(state), json!({ "user_name": named("Ada") })).await;
    assert_eq!(text(&own.json()["result"]), "Hello, Ada!");
    server.stop().await;
}

#[tokio::test]
async fn rounds_follow_each_other_and_several_questions_come_at_once() {
    let fixture = fixture();
    let server = fixture.start(&[]);
    let client = client(&server, Revision::July2026).await;
    let none = json!({});
    let first = client.call("asks_twice", &none, &[]).await.json()["result"].clone();
    let answers = json!({ "elicit": named("Ada") });
    let second = client.call_with_answers("asks_twice", &none, &first["requestState"], answers).await;
    let second = second.json()["result"].clone();
    assert_eq!(second["resultType"], "input_required", "{second}");
    assert_ne!(second["requestState"], first["requestState"]);
    let answers = json!({ "elicit#2": named("Lovelace") });
    let last = client.call_with_answers("asks_twice", &none, &second["requestState"], answers).await;
    assert_eq!(text(&last.json()["result"]), "Ada Lovelace");
    assert_eq!(fixture.seen(), ["between 1"]);

    let asked = client.call("asks_all", &none, &[]).await.json()["result"].clone();
    let requests = asked["inputRequests"].as_object().expect("questions");
    let methods: Vec<&str> = requests.values().filter_map(|request| request["method"].as_str()).collect();
    assert_eq!(methods, ["elicitation/create", "roots/list", "sampling/createMessage"], "{asked}");
    // Two of three leave the third.
    let some = json!({
        "name": named("Ada"),
        "roots": { "roots": [{ "uri": "file:///home/ada" }] },
    });
    let left = client.call_with_answers("asks_all", &none, &asked["requestState"], some).await.json()["result"].clone();
    let keys: Vec<&String> = left["inputRequests"].as_object().expect("questions").keys().collect();
    assert_eq!(keys, ["text"], "{left}");
    let sampled = json!({ "role": "assistant", "model": "m", "content": { "type": "text", "text": "Hello" } });
    let last = client.call_with_answers("asks_all", &none, &left["requestState"], json!({ "text": sampled })).await;
    assert_eq!(text(&last.json()["result"]), "Ada Hello file:///home/ada");
    server.stop().await;
}

#[tokio::test]
async fn a_task_asks_and_is_answered() {
    let fixture = fixture();
    let server = fixture.start(&["--task-after", "0"]);
    let client = client(&server, Revision::July2026).await;
    let created = client.call("asks_all", &json!({}), &[]).await.json();
    let id = created["result"]["taskId"].as_str().expect("a task").to_owned();
    let asking = async |keys: &[&str]| {
        eventually("the questions", async || {
            let state = client.task(&id).await.json()["result"].clone();
            let asked = state["inputRequests"].as_object().map(|asked| asked.keys().cloned().collect::<Vec<_>>());
            (state["status"] == "input_required"
                && asked.as_deref() == Some(&keys.iter().map(ToString::to_string).collect::<Vec<_>>()))
            .then_some(state)
        })
        .await
    };
    asking(&["name", "roots", "text"]).await;
    let invalid = client.update_task(&id, json!({ "name": 12345 })).await.json();
    assert_eq!(invalid["error"]["data"]["type"], "answer_invalid", "{invalid}");
    let part = client.update_task(&id, json!({ "name": named("Ada"), "unknown": named("Eve") })).await.json();
    assert_eq!(part["result"]["resultType"], "complete", "{part}");
    asking(&["roots", "text"]).await;
    let conflict = client.update_task(&id, json!({ "name": named("Eve") })).await.json();
    assert_eq!(conflict["error"]["data"]["type"], "answer_conflict", "{conflict}");
    let sampled = json!({ "role": "assistant", "model": "m", "content": { "type": "text", "text": "Hello" } });
    client.update_task(&id, json!({ "text": sampled, "roots": { "roots": [] } })).await;
    let ended = eventually("the end of the task", async || {
        let state = client.task(&id).await.json()["result"].clone();
        (state["status"] == "completed").then_some(state)
    })
    .await;
    assert_eq!(text(&ended["result"]), "Ada Hello ", "{ended}");
    server.stop().await;
}

#[tokio::test]
async fn progress_and_messages_come_before_the_result_once_and_in_order() {
    let fixture = fixture();
    let server = fixture.start(&[]);
    for revision in Revision::ALL {
        let client = client(&server, revision).await;
        let level = "io.modelcontextprotocol/logLevel";
        let meta = json!({ "progressToken": "p", level: "warning" });
        let meta = if revision == Revision::July2026 { meta } else { json!({ "progressToken": "p" }) };
        let events = client.begin_with_meta("tells", &json!({}), meta).await.rest().await;
        let messages: Vec<Value> = events.into_iter().filter_map(|event| event.message).collect();
        let progress: Vec<f64> = messages
            .iter()
            .filter(|message| message["method"] == "notifications/progress")
            .map(|message| {
                assert_eq!(message["params"]["progressToken"], "p");
                message["params"]["progress"].as_f64().expect("a number")
            })
            .collect();
        assert_eq!(progress, [1.0, 2.0, 3.0, 4.0], "{messages:?}");
        let logged: Vec<&Value> =
            messages.iter().filter(|message| message["method"] == "notifications/message").collect();
        assert_eq!(logged.len(), 1, "{messages:?}");
        assert_eq!(logged[0]["params"]["data"]["text"], "begun");
        assert_eq!(logged[0]["params"]["level"], "warning");
        assert!(messages.last().expect("a response")["result"].is_object(), "{messages:?}");

        // Who wants none is told none.
        let events = client.begin("tells", &json!({})).await.rest().await;
        let messages: Vec<Value> = events.into_iter().filter_map(|event| event.message).collect();
        let told = messages.iter().filter(|message| message["method"] == "notifications/progress").count();
        assert_eq!(told, 0);
        let logged = messages.iter().filter(|message| message["method"] == "notifications/message").count();
        assert_eq!(logged, usize::from(revision == Revision::November2025), "{messages:?}");
    }
    let client = client(&server, Revision::November2025).await;
    let set = client.request("logging/setLevel", json!({ "level": "debug" }), &[]).await.json();
    assert!(set["result"].is_object(), "{set}");
    let events = client.begin("tells", &json!({})).await.rest().await;
    let logged = events.iter().filter_map(|event| event.message.as_ref());
    assert_eq!(logged.filter(|message| message["method"] == "notifications/message").count(), 2);
    server.stop().await;
}
