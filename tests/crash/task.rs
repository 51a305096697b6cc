//! Tasks over the end of their process.

use durable_tests::{Fixture, HttpClient, Revision, ServerProcess, eventually};
use serde_json::json;

use crate::fixture;

#[tokio::test]
async fn a_task_is_there_at_once_after_the_server_was_killed_and_ends_by_itself() {
    let fixture = fixture();
    fixture.hold("first.after");
    let flags = ["--task-after", "0"];
    let server = fixture.start(&flags);
    let tasks = json!({ "extensions": { "io.modelcontextprotocol/tasks": {} } });
    let client = HttpClient::connect_as(server.url(), Revision::July2026, None, tasks).await;
    let created = client.call("two_steps", &json!({}), &[]).await.json();
    let id = created["result"]["taskId"].as_str().expect("an id").to_owned();
    fixture.reached("first.after").await;
    server.kill();
    let server = fixture.start(&flags);
    let client = client.moved_to(server.url());
    let state = client.task(&id).await.json()["result"].clone();
    assert_eq!((&state["taskId"], &state["status"]), (&json!(id), &json!("working")), "{state}");
    assert_eq!(state["createdAt"], created["result"]["createdAt"]);
    fixture.release("first.after");
    let ended = eventually("the end of the task", async || {
        let state = client.task(&id).await.json()["result"].clone();
        (state["status"] == "completed").then_some(state)
    })
    .await;
    assert!(ended["result"]["structuredContent"]["second"].is_object(), "{ended}");
    server.kill();
    let server = fixture.start(&flags);
    assert_eq!(client.moved_to(server.url()).task(&id).await.json()["result"], ended);
    assert_eq!(fixture.seen(), ["first 1", "first 1", "second 1"]);
    server.stop().await;
}

/// A task of this tool that is held at this point, and its id.
async fn held_task(fixture: &Fixture, server: &ServerProcess, tool: &str, point: &str) -> (HttpClient, String) {
    fixture.hold(point);
    let tasks = json!({ "extensions": { "io.modelcontextprotocol/tasks": {} } });
    let client = HttpClient::connect_as(server.url(), Revision::July2026, None, tasks).await;
    let created = client.call(tool, &json!({}), &[]).await.json();
    let id = created["result"]["taskId"].as_str().expect("an id").to_owned();
    fixture.reached(point).await;
    (client, id)
}

#[tokio::test]
async fn a_task_says_how_far_it_is_after_a_death_too() {
    let fixture = fixture();
    let flags = ["--task-after", "0"];
    let server = fixture.start(&flags);
    let (client, id) = held_task(&fixture, &server, "tells", "last.before").await;
    let state = client.task(&id).await.json()["result"].clone();
    assert_eq!(state["statusMessage"], "worked", "{state}");
    server.kill();
    let server = fixture.start(&flags);
    let client = client.moved_to(server.url());
    fixture.reached("last.before").await;
    let state = client.task(&id).await.json()["result"].clone();
    assert_eq!(state["statusMessage"], "worked", "{state}");
    // A stop would wait for the attempt.
    fixture.release("last.before");
    server.stop().await;
}

#[tokio::test]
async fn a_task_of_an_earlier_process_is_cancelled_and_stays_so() {
    let fixture = fixture();
    let flags = ["--task-after", "0"];
    let server = fixture.start(&flags);
    let (client, id) = held_task(&fixture, &server, "two_steps", "first.after").await;
    server.kill();
    let server = fixture.start(&flags);
    let client = client.moved_to(server.url());
    fixture.reached("first.after").await;
    let accepted = client.cancel_task(&id).await.json();
    assert!(accepted["result"].is_object(), "{accepted}");
    fixture.release("first.after");
    let cancelled = eventually("the end of the task", async || {
        let state = client.task(&id).await.json()["result"].clone();
        (state["status"] == "cancelled").then_some(state)
    })
    .await;
    server.kill();
    let server = fixture.start(&flags);
    assert_eq!(client.moved_to(server.url()).task(&id).await.json()["result"], cancelled);
    assert_eq!(fixture.seen(), ["first 1", "first 1"]);
    server.stop().await;
}
