//! Tasks of the revision 2026-07-28.

use durable_tests::{HttpClient, Revision, ServerProcess, eventually};
use serde_json::{Value, json};

use crate::fixture;

async fn client(server: &ServerProcess) -> HttpClient {
    let tasks = json!({ "extensions": { "io.modelcontextprotocol/tasks": {} } });
    HttpClient::connect_as(server.url(), Revision::July2026, None, tasks).await
}

async fn settled(client: &HttpClient, id: &str) -> Value {
    eventually("the end of the task", async || {
        let state = client.task(id).await.json()["result"].clone();
        (state["status"] != "working").then_some(state)
    })
    .await
}

#[tokio::test]
async fn a_call_that_takes_longer_than_the_soft_deadline_goes_on_as_a_task() {
    let fixture = fixture();
    fixture.hold("only.before");
    let server = fixture.start(&["--task-after", "1"]);
    let client = client(&server).await;
    let created = client.call("one_step", &json!({}), &[]).await.json();
    let created = &created["result"];
    assert_eq!(created["resultType"], "task", "{created}");
    assert_eq!(created["status"], "working", "{created}");
    assert_eq!(created["ttlMs"], Value::Null, "a task is kept for as long as it runs");
    let id = created["taskId"].as_str().expect("an id");
    let state = client.task(id).await.json()["result"].clone();
    assert_eq!(state["resultType"], "complete", "{state}");
    assert_eq!(state["status"], "working", "{state}");
    assert_eq!(state["createdAt"], created["createdAt"]);
    fixture.release("only.before");
    let state = settled(&client, id).await;
    assert_eq!(state["status"], "completed", "{state}");
    assert_eq!(state["result"]["structuredContent"]["attempt"], 1, "{state}");
    assert!(state["ttlMs"].as_u64().expect("a time") >= 3_600_000, "{state}");
    server.stop().await;
}

#[tokio::test]
async fn a_call_that_ends_before_is_answered_and_one_of_a_client_without_tasks_is_waited_for() {
    let fixture = fixture();
    let server = fixture.start(&["--task-after", "30000"]);
    let client = client(&server).await;
    let answer = client.call("one_step", &json!({}), &[]).await.json();
    assert_eq!(answer["result"]["structuredContent"]["attempt"], 1, "{answer}");
    server.stop().await;
    let server = fixture.start(&["--task-after", "0"]);
    for revision in Revision::ALL {
        let client = HttpClient::connect(server.url(), revision).await;
        let answer = client.call("one_step", &json!({}), &[]).await.json();
        assert_eq!(answer["result"]["structuredContent"]["attempt"], 1, "{answer}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_tool_that_fails_is_a_completed_task_with_an_error() {
    let fixture = fixture();
    let server = fixture.start(&["--task-after", "0"]);
    let client = client(&server).await;
    let created = client.call("fails", &json!({}), &[]).await.json();
    let state = settled(&client, created["result"]["taskId"].as_str().expect("an id")).await;
    assert_eq!(state["status"], "completed", "{state}");
    assert_eq!(state["result"]["isError"], true, "{state}");
    server.stop().await;
}

#[tokio::test]
async fn a_call_made_again_under_its_key_is_the_same_task() {
    let fixture = fixture();
    fixture.hold("only.before");
    let server = fixture.start(&["--task-after", "0"]);
    let client = client(&server).await;
    let key = [("idempotency-key", "f2b8d1de-62de-4c2b-a0be-1a0a2d6b6e01")];
    let first = client.call("one_step", &json!({}), &key).await.json()["result"].clone();
    let again = client.call("one_step", &json!({}), &key).await.json()["result"].clone();
    assert_eq!(first, again);
    fixture.release("only.before");
    settled(&client, first["taskId"].as_str().expect("an id")).await;
    assert_eq!(fixture.seen(), ["only 1"]);
    server.stop().await;
}

#[tokio::test]
async fn an_id_that_is_no_tasks_is_an_error_of_the_call() {
    let fixture = fixture();
    let server = fixture.start(&["--task-after", "0"]);
    let client = client(&server).await;
    let created = client.call("one_step", &json!({}), &[]).await.json();
    let id = created["result"]["taskId"].as_str().expect("an id").to_owned();
    settled(&client, &id).await;
    let mut forged = id.clone();
    let last = if forged.ends_with('0') { '1' } else { '0' };
    forged.pop();
    forged.push(last);
    for id in ["", "x", &id[..32], &forged, &format!("{id}0")] {
        let reply = client.task(id).await.json();
        assert_eq!(reply["error"]["code"], -32602, "{id}: {reply}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_task_whose_time_is_over_is_unknown() {
    let fixture = fixture();
    let server = fixture.start(&["--task-after", "0", "--task-time-to-live", "0"]);
    let client = client(&server).await;
    let created = client.call("one_step", &json!({}), &[]).await.json();
    let id = created["result"]["taskId"].as_str().expect("an id");
    eventually("the end of the task", async || client.task(id).await.json()["error"].is_object().then_some(())).await;
    server.stop().await;
}

#[tokio::test]
async fn a_task_that_is_cancelled_finishes_its_attempt_and_goes_no_further() {
    let fixture = fixture();
    fixture.hold("first.after");
    let server = fixture.start(&["--task-after", "0"]);
    let client = client(&server).await;
    let created = client.call("two_steps", &json!({}), &[]).await.json();
    let id = created["result"]["taskId"].as_str().expect("an id");
    fixture.reached("first.after").await;
    let cancelled = tokio::spawn({
        let (client, id) = (client.clone(), id.to_owned());
        async move { client.cancel_task(&id).await.json() }
    });
    let acknowledged = cancelled.await.expect("no panic");
    assert_eq!(acknowledged["result"], json!({ "resultType": "complete" }), "{acknowledged}");
    fixture.release("first.after");
    let state = settled(&client, id).await;
    assert_eq!(state["status"], "cancelled", "{state}");
    assert_eq!(fixture.seen(), ["first 1"]);
    // What has ended stays as it is.
    assert!(client.cancel_task(id).await.json()["result"].is_object());
    assert_eq!(client.task(id).await.json()["result"], state);
    assert_eq!(client.cancel_task("x").await.json()["error"]["code"], -32602);
    server.stop().await;
}
