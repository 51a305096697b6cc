//! Two callers who try what is the other's.

use durable_tests::{HttpClient, Revision};
use serde_json::json;

use crate::fixture;

const KEY: (&str, &str) = ("idempotency-key", "b6a3b8f4-5a8c-4b7e-8f8d-3b9d8b0a7c11");

async fn two(url: &str, revision: Revision) -> (HttpClient, HttpClient) {
    let tasks = json!({ "extensions": { "io.modelcontextprotocol/tasks": {} } });
    (
        HttpClient::connect_as(url, revision, Some("token of ada"), tasks.clone()).await,
        HttpClient::connect_as(url, revision, Some("token of bob"), tasks).await,
    )
}

#[tokio::test]
async fn a_request_without_a_valid_token_is_401_and_says_so() {
    let fixture = fixture();
    let server = fixture.start(&["--authenticate"]);
    let ada = HttpClient::connect_as(server.url(), Revision::July2026, Some("token of ada"), json!({})).await;
    assert_eq!(ada.call("one_step", &json!({}), &[]).await.status, 200);
    for token in [None, Some("something else")] {
        let client = HttpClient::connect_as(server.url(), Revision::July2026, token, json!({})).await;
        assert_eq!(client.call("one_step", &json!({}), &[]).await.status, 401);
    }
    assert_eq!(fixture.effects().len(), 1);
    server.stop().await;
}

#[tokio::test]
async fn a_tool_learns_who_calls() {
    let fixture = fixture();
    let server = fixture.start(&["--authenticate"]);
    for revision in Revision::ALL {
        let (ada, bob) = two(server.url(), revision).await;
        for (client, name) in [(ada, "ada"), (bob, "bob")] {
            let told = client.call("who_calls", &json!({}), &[]).await.json();
            assert_eq!(told["result"]["structuredContent"], json!({ "body": name, "step": name }), "{told}");
            let told = client.call("who_reads", &json!({}), &[]).await.json();
            assert_eq!(told["result"]["content"][0]["text"], name, "{told}");
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn a_key_of_one_caller_means_nothing_to_another() {
    let fixture = fixture();
    let server = fixture.start(&["--authenticate"]);
    for revision in Revision::ALL {
        let (ada, bob) = two(server.url(), revision).await;
        let first = ada.call("one_step", &json!({}), &[KEY]).await.json();
        let again = ada.call("one_step", &json!({}), &[KEY]).await.json();
        let other = bob.call("one_step", &json!({}), &[KEY]).await.json();
        let number = |reply: &serde_json::Value| reply["result"]["structuredContent"]["number"].to_string();
        assert_eq!(number(&first), number(&again));
        assert_ne!(number(&first), number(&other));
    }
    assert_eq!(fixture.effects().len(), 2);
    server.stop().await;
}

#[tokio::test]
async fn the_session_and_the_stream_of_one_caller_do_not_exist_for_another_also_after_a_restart() {
    let fixture = fixture();
    let server = fixture.start(&["--authenticate"]);
    let (ada, bob) = two(server.url(), Revision::November2025).await;
    let events = ada.begin("one_step", &json!({})).await.rest().await;
    let first = events[0].id.as_deref().expect("an id");
    let thief = bob.with_session_of(&ada);
    assert_eq!(thief.call("one_step", &json!({}), &[]).await.status, 404);
    assert_eq!(thief.come_back(first).await.status(), 404);
    assert_eq!(thief.listen().await.status(), 404);
    assert_eq!(thief.end_session().await, 404);
    assert_eq!(bob.come_back(first).await.rest().await, []);
    server.kill();
    let server = fixture.start(&["--authenticate"]);
    let (ada, thief) = (ada.moved_to(server.url()), thief.moved_to(server.url()));
    assert_eq!(thief.come_back(first).await.status(), 404);
    assert_eq!(thief.end_session().await, 404);
    assert_eq!(ada.come_back(first).await.rest().await.len(), 1);
    assert_eq!(thief.come_back(first).await.status(), 404);
    server.stop().await;
}

#[tokio::test]
async fn the_task_of_one_caller_does_not_exist_for_another() {
    let fixture = fixture();
    let server = fixture.start(&["--authenticate", "--task-after", "0"]);
    let (ada, bob) = two(server.url(), Revision::July2026).await;
    let created = ada.call("one_step", &json!({}), &[]).await.json();
    let id = created["result"]["taskId"].as_str().expect("a task");
    assert!(ada.task(id).await.json()["result"].is_object());
    let refused = bob.task(id).await.json();
    assert_eq!(refused["error"]["code"], -32602, "{refused}");
    assert_eq!(refused["error"]["data"]["type"], "task_unknown", "{refused}");
    server.stop().await;
}
