//! Tasks over the end of their process.

use durable_tests::{HttpClient, Revision, eventually};
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
