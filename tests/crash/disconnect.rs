//! Clients of the revision 2026-07-28 that go in the middle of a call.

use std::time::Duration;

use durable_tests::{Fixture, HttpClient, Line, Reply, Revision, ServerProcess};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::{KEY, fixture};

const KEYED: [(&str, &str); 1] = [("idempotency-key", KEY)];

async fn client(server: &ServerProcess, revision: Revision) -> HttpClient {
    HttpClient::connect(server.url(), revision).await
}

/// A call that is on its way; aborted, its connection breaks.
fn call(client: &HttpClient, tool: &'static str, is_keyed: bool) -> JoinHandle<Reply> {
    let client = client.clone();
    tokio::spawn(async move { client.call(tool, &json!({}), if is_keyed { &KEYED } else { &[] }).await })
}

/// A client that goes while the first of two steps is held before its effect.
async fn goes(fixture: &Fixture, server: &ServerProcess, revision: Revision, tool: &'static str, is_keyed: bool) {
    fixture.hold("first.before");
    let line = Line::to(server).await;
    let client = HttpClient::connect(line.url(), revision).await;
    let call = call(&client, tool, is_keyed);
    fixture.reached("first.before").await;
    call.abort();
    assert!(call.await.expect_err("it is aborted").is_cancelled());
    line.break_off().await;
    fixture.release("first.before");
    fixture.effects_reach(1).await;
}

/// Gives a call that goes on time to do so.
async fn settle(server: &ServerProcess) {
    tokio::time::sleep(Duration::from_millis(300)).await;
    let client = client(server, Revision::July2026).await;
    let other = client.call("greet", &json!({ "name": "ada" }), &[]).await.json();
    assert!(other["result"].is_object(), "{other}");
}

fn second(reply: &Value) -> &Value {
    &reply["result"]["structuredContent"]["second"]["attempt"]
}

#[tokio::test]
async fn a_call_without_a_key_is_cancelled_when_its_client_goes() {
    let fixture = fixture();
    let server = fixture.start(&[]);
    goes(&fixture, &server, Revision::July2026, "two_steps", false).await;
    settle(&server).await;
    // The attempt that ran is finished, and nothing follows it; nor after a restart.
    assert_eq!(fixture.seen(), ["first 1"]);
    server.kill();
    let server = fixture.start(&[]);
    settle(&server).await;
    assert_eq!(fixture.seen(), ["first 1"]);
    server.stop().await;
}

#[tokio::test]
async fn a_call_with_a_key_is_suspended_also_over_a_death_and_goes_on_under_its_key() {
    let fixture = fixture();
    let server = fixture.start(&[]);
    goes(&fixture, &server, Revision::July2026, "two_steps", true).await;
    settle(&server).await;
    assert_eq!(fixture.seen(), ["first 1"]);
    server.kill();
    let server = fixture.start(&[]);
    settle(&server).await;
    assert_eq!(fixture.seen(), ["first 1"], "it was resumed without its client");
    let client = client(&server, Revision::July2026).await;
    let result = client.call("two_steps", &json!({}), &KEYED).await.json();
    assert_eq!(second(&result), 1, "{result}");
    assert_eq!(fixture.seen(), ["first 1", "second 1"]);
    server.stop().await;
}

#[tokio::test]
async fn a_suspended_call_whose_client_does_not_come_back_is_cancelled() {
    let fixture = fixture();
    let server = fixture.start(&["--suspension", "500"]);
    goes(&fixture, &server, Revision::July2026, "two_steps", true).await;
    settle(&server).await;
    server.kill();
    let server = fixture.start(&["--suspension", "500"]);
    tokio::time::sleep(Duration::from_millis(500)).await;
    let client = client(&server, Revision::July2026).await;
    let result = client.call("two_steps", &json!({}), &KEYED).await.json();
    assert_eq!(result["result"]["_meta"]["durable/error"]["type"], "invocation_cancelled", "{result}");
    assert_eq!(fixture.seen(), ["first 1"]);
    server.stop().await;
}

#[tokio::test]
async fn a_call_that_another_client_waits_for_goes_on() {
    let fixture = fixture();
    let server = fixture.start(&[]);
    let stays = client(&server, Revision::July2026).await;
    fixture.hold("first.before");
    let leaves = client(&server, Revision::July2026).await;
    let (left, stayed) = (call(&leaves, "two_steps", true), call(&stays, "two_steps", true));
    fixture.reached("first.before").await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    left.abort();
    tokio::time::sleep(Duration::from_millis(300)).await;
    fixture.release("first.before");
    assert_eq!(second(&stayed.await.expect("an answer").json()), 1);
    assert_eq!(fixture.seen(), ["first 1", "second 1"]);
    server.stop().await;
}

#[tokio::test]
async fn a_client_that_comes_back_while_the_last_attempt_runs_is_not_turned_away() {
    let fixture = fixture();
    let server = fixture.start(&[]);
    fixture.hold("first.before");
    let client = client(&server, Revision::July2026).await;
    let first = call(&client, "two_steps", true);
    fixture.reached("first.before").await;
    first.abort();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let again = call(&client, "two_steps", true);
    tokio::time::sleep(Duration::from_millis(300)).await;
    fixture.release("first.before");
    assert_eq!(second(&again.await.expect("an answer").json()), 1);
    assert_eq!(fixture.seen(), ["first 1", "second 1"]);
    server.stop().await;
}

#[tokio::test]
async fn a_call_goes_on_alone_if_its_tool_says_so_or_the_revision_is_the_other_one() {
    for (revision, tool) in [(Revision::July2026, "two_steps_alone"), (Revision::November2025, "two_steps")] {
        let fixture = fixture();
        let server = fixture.start(&[]);
        goes(&fixture, &server, revision, tool, false).await;
        fixture.effects_reach(2).await;
        assert_eq!(fixture.seen(), ["first 1", "second 1"]);
        server.stop().await;
    }
}
