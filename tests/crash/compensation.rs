//! Calls that are cancelled, and undone: also over the death of the process that does it.

use durable_tests::{Fixture, HttpClient, Revision, ServerProcess, eventually};
use serde_json::{Value, json};

use crate::fixture;

/// A task whose second step is held before its effect, and the client that has it.
async fn held(fixture: &Fixture, server: &ServerProcess) -> (HttpClient, String) {
    fixture.hold("second.before");
    let tasks = json!({ "extensions": { "io.modelcontextprotocol/tasks": {} } });
    let client = HttpClient::connect_as(server.url(), Revision::July2026, None, tasks).await;
    let created = client.call("undoable", &json!({}), &[]).await.json();
    let id = created["result"]["taskId"].as_str().expect("a task").to_owned();
    fixture.reached("second.before").await;
    (client, id)
}

async fn settled(client: &HttpClient, id: &str) -> Value {
    eventually("the end of the task", async || {
        let state = client.task(id).await.json()["result"].clone();
        (state["status"] != "working").then_some(state)
    })
    .await
}

#[tokio::test]
async fn what_a_cancelled_call_did_is_undone_before_it_is_over() {
    let fixture = fixture();
    // The attempt that runs does not end within the grace period, and is dropped: it has no effect.
    let flags = ["--task-after", "0", "--interruption-grace", "100"];
    let server = fixture.start(&flags);
    let (client, id) = held(&fixture, &server).await;
    fixture.hold("undo.before");
    client.cancel_task(&id).await;
    fixture.reached("undo.before").await;
    assert_eq!(client.task(&id).await.json()["result"]["status"], "working", "it is being undone");
    // A second cancellation does not end that.
    client.cancel_task(&id).await;
    fixture.release("undo.before");
    let state = settled(&client, &id).await;
    assert_eq!(state["status"], "cancelled", "{state}");
    assert_eq!(fixture.seen(), ["first 1", "undo 1", "tell 1"]);
    server.stop().await;
}

#[tokio::test]
async fn undoing_goes_on_after_a_death_and_is_not_begun_again() {
    let fixture = fixture();
    let flags = ["--task-after", "0", "--interruption-grace", "100"];
    let server = fixture.start(&flags);
    let (client, id) = held(&fixture, &server).await;
    fixture.hold("tell.before");
    client.cancel_task(&id).await;
    fixture.reached("tell.before").await;
    server.kill();
    fixture.release("tell.before");
    fixture.release("second.before");
    let server = fixture.start(&flags);
    let client = client.moved_to(server.url());
    let state = settled(&client, &id).await;
    assert_eq!(state["status"], "cancelled", "{state}");
    assert_eq!(fixture.seen(), ["first 1", "undo 1", "tell 1"]);
    server.kill();
    let server = fixture.start(&flags);
    assert_eq!(client.moved_to(server.url()).task(&id).await.json()["result"], state);
    server.stop().await;
}

#[tokio::test]
async fn a_call_that_was_cut_off_is_undone_when_it_is_cancelled_after_the_restart() {
    let fixture = fixture();
    let flags = ["--task-after", "0", "--interruption-grace", "100"];
    let server = fixture.start(&flags);
    let (client, id) = held(&fixture, &server).await;
    server.kill();
    let server = fixture.start(&flags);
    let client = client.moved_to(server.url());
    client.cancel_task(&id).await;
    let state = settled(&client, &id).await;
    assert_eq!(state["status"], "cancelled", "{state}");
    assert_eq!(fixture.seen(), ["first 1", "undo 1", "tell 1"]);
    server.stop().await;
}
