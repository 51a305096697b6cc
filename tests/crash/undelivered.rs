//! Calls without a key that are made again because their answer was lost, of a tool with `idempotency = "undelivered"`.

use durable_tests::{Client, Fixture, HttpClient, Line, Revision, ServerProcess, eventually};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::fixture;

const TOOL: &str = "charge_heard";

fn number(reply: &Value) -> String {
    let number = reply["result"]["structuredContent"]["number"].as_str();
    number.unwrap_or_else(|| panic!("no number: {reply}")).to_owned()
}

async fn call(client: &HttpClient) -> Value {
    client.call(TOOL, &json!({}), &[]).await.json()
}

async fn client(server: &ServerProcess, revision: Revision) -> HttpClient {
    HttpClient::connect(server.url(), revision).await
}

/// A client that makes a call on this line and is gone when the call's effect happens.
async fn loses_its_connection(fixture: &Fixture, line: &Line, client: &HttpClient) {
    fixture.hold("heard.before");
    let call = {
        let client = client.clone();
        tokio::spawn(async move { call(&client).await })
    };
    fixture.reached("heard.before").await;
    call.abort();
    assert!(call.await.expect_err("it is aborted").is_cancelled());
    line.break_off().await;
    fixture.release("heard.before");
    fixture.effects_reach(1).await;
}

#[tokio::test]
async fn a_call_whose_connection_broke_is_made_once_and_its_answer_given_to_the_same_call_again() {
    for revision in Revision::ALL {
        let fixture = fixture();
        let server = fixture.start(&[]);
        let line = Line::to(&server).await;
        let client = HttpClient::connect(line.url(), revision).await;
        loses_its_connection(&fixture, &line, &client).await;
        // Other arguments are another call.
        client.call(TOOL, &json!({ "label": "other" }), &[]).await.json();
        let first = number(&call(&client).await);
        assert_eq!(fixture.counts()["heard"], 1, "{revision:?}");
        // That one was heard.
        let second = number(&call(&client).await);
        assert_ne!(second, first);
        assert_eq!(fixture.counts()["heard"], 2, "{revision:?}");
        server.stop().await;
    }
}

#[tokio::test]
async fn an_answer_that_was_durable_and_not_written_when_the_server_died_is_given_to_the_same_call_again() {
    for revision in Revision::ALL {
        let fixture = fixture();
        // The first commit is the admission and the start, the second one the outcome and the result.
        let server = fixture.start(&["--die", "after:2"]);
        let dying = client(&server, revision).await;
        let lost = tokio::spawn(async move { dying.call(TOOL, &json!({}), &[]).await });
        assert!(!server.end().await.success());
        assert!(lost.await.is_err(), "it was answered");
        let server = fixture.start(&[]);
        let client = client(&server, revision).await;
        let again = call(&client).await;
        assert_eq!(again["result"]["_meta"]["durable/replayed"], true, "{again}");
        assert_eq!(fixture.counts()["heard"], 1, "{revision:?}");
        server.stop().await;
    }
}

#[tokio::test]
async fn a_call_that_was_cut_off_by_a_death_is_gone_on_with_by_the_same_call() {
    for revision in Revision::ALL {
        let fixture = fixture();
        fixture.hold("heard.after");
        let server = fixture.start(&[]);
        let dying = client(&server, revision).await;
        let lost = tokio::spawn(async move { dying.call(TOOL, &json!({}), &[]).await });
        fixture.reached("heard.after").await;
        server.kill();
        assert!(lost.await.is_err(), "it was answered");
        fixture.release("heard.after");
        let server = fixture.start(&[]);
        let client = client(&server, revision).await;
        // The step is at most once, and in doubt.
        let again = call(&client).await;
        let text = again["result"]["content"][0]["text"].as_str().expect("a text");
        assert!(text.contains("in doubt"), "{again}");
        assert_eq!(fixture.counts()["heard"], 1, "{revision:?}");
        server.stop().await;
    }
}

#[tokio::test]
async fn a_call_whose_answer_was_delivered_is_made_again_also_after_a_restart() {
    for revision in Revision::ALL {
        let fixture = fixture();
        let server = fixture.start(&[]);
        let own = client(&server, revision).await;
        let mut numbers = vec![number(&call(&own).await), number(&call(&own).await)];
        // A clean stop waits until the delivery is durable.
        server.stop().await;
        let server = fixture.start(&[]);
        let own = client(&server, revision).await;
        numbers.push(number(&call(&own).await));
        numbers.sort();
        numbers.dedup();
        assert_eq!((numbers.len(), fixture.counts()["heard"]), (3, 3), "{revision:?}");
        server.stop().await;
    }
}

#[tokio::test]
async fn over_standard_input_and_output_what_was_written_was_delivered() {
    for revision in Revision::ALL {
        let fixture = fixture();
        let client = Client::stdio(&fixture, revision).await;
        let numbers = [client.value(TOOL, &json!({})).await, client.value(TOOL, &json!({})).await];
        assert_ne!(numbers[0]["number"], numbers[1]["number"], "{revision:?}");
        assert_eq!(fixture.counts()["heard"], 2, "{revision:?}");
        client.close().await;
    }
}

#[tokio::test]
async fn a_client_of_a_session_that_comes_back_for_its_answer_has_heard_it() {
    let fixture = fixture();
    fixture.hold("heard.before");
    let server = fixture.start(&[]);
    let own = client(&server, Revision::November2025).await;
    let mut stream = own.begin(TOOL, &json!({})).await;
    let first = stream.next().await.expect("the stream begins").id.expect("an id");
    fixture.reached("heard.before").await;
    drop(stream);
    fixture.release("heard.before");
    fixture.effects_reach(1).await;
    let events = own.come_back(&first).await.rest().await;
    let heard = number(events[0].message.as_ref().expect("a message"));
    assert_ne!(number(&call(&own).await), heard);
    assert_eq!(fixture.counts()["heard"], 2);
    server.stop().await;
}

#[tokio::test]
async fn a_task_is_delivered_when_it_is_created() {
    let fixture = fixture();
    fixture.hold("heard.before");
    let server = fixture.start(&["--task-after", "0"]);
    let tasks = json!({ "extensions": { "io.modelcontextprotocol/tasks": {} } });
    let client = HttpClient::connect_as(server.url(), Revision::July2026, None, tasks).await;
    let mut ids = Vec::new();
    for _ in 0..2 {
        let created = call(&client).await;
        ids.push(created["result"]["taskId"].as_str().expect("a task").to_owned());
    }
    assert_ne!(ids[0], ids[1]);
    fixture.release("heard.before");
    for id in &ids {
        eventually("the end of the task", async || {
            (client.task(id).await.json()["result"]["status"] == "completed").then_some(())
        })
        .await;
    }
    // The end of the first one does not take the key from the second one, nor does a third one come to either.
    assert_eq!(fixture.counts()["heard"], 2);
    server.stop().await;
}

#[tokio::test]
async fn a_caller_is_not_given_what_another_one_lost() {
    let fixture = fixture();
    let server = fixture.start(&["--authenticate"]);
    let line = Line::to(&server).await;
    let connect = async |who: &str| {
        let token = format!("token of {who}");
        HttpClient::connect_as(line.url(), Revision::July2026, Some(&token), json!({})).await
    };
    let (ada, bob) = (connect("ada").await, connect("bob").await);
    loses_its_connection(&fixture, &line, &ada).await;
    let of_bob = number(&call(&bob).await);
    assert_eq!(fixture.counts()["heard"], 2);
    assert_ne!(number(&call(&ada).await), of_bob);
    assert_eq!(fixture.counts()["heard"], 2);
    server.stop().await;
}

#[tokio::test]
async fn a_thousand_calls_at_once_are_one_as_long_as_none_of_them_is_answered() {
    durable_tests::allow_many_files();
    let fixture = fixture();
    fixture.hold("heard.before");
    let server = fixture.start(&[]);
    let client = client(&server, Revision::November2025).await;
    let mut calls = JoinSet::new();
    for _ in 0..1000 {
        let client = client.clone();
        calls.spawn(async move {
            let mut stream = client.begin(TOOL, &json!({})).await;
            // Its first event comes when the call belongs to an invocation.
            stream.next().await.expect("the stream begins");
            stream
        });
    }
    let streams = calls.join_all().await;
    fixture.release("heard.before");
    let mut numbers = Vec::new();
    for mut stream in streams {
        let response = stream.next().await.expect("the response").message.expect("a message");
        numbers.push(number(&response));
    }
    numbers.sort();
    numbers.dedup();
    assert_eq!((numbers.len(), fixture.counts()["heard"]), (1, 1));
    server.stop().await;
}
