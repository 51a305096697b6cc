//! A process is asked to stop.

use std::io::Write as _;
use std::process::Stdio;

use durable_tests::{Client, Fixture, HttpClient, Revision, ServerProcess, eventually, text};
use serde_json::{Value, json};

use crate::{KEY, fixture};

/// Would park a call at its first death.
const ONE_DEATH: [&str; 2] = ["--unclean-ends", "1"];

/// Asks a server to stop, and waits until it takes no more connections.
async fn begin_to_stop(server: &ServerProcess) {
    server.ask_to_stop();
    let address = server.url().trim_start_matches("http://").trim_end_matches("/mcp");
    eventually("the end of listening", async || tokio::net::TcpStream::connect(address).await.err()).await;
}

/// Stops a server in the first of two steps, and gives what the waiting client is told.
async fn stop_in_first_step(fixture: &Fixture, revision: Revision) -> Value {
    fixture.hold("first.after");
    let server = fixture.start(&ONE_DEATH);
    let client = HttpClient::connect(server.url(), revision).await;
    let call = tokio::spawn(async move {
        let header = [("idempotency-key", KEY)];
        client.call("two_steps", &json!({}), &header).await
    });
    fixture.reached("first.after").await;
    begin_to_stop(&server).await;
    fixture.release("first.after");
    let reply = call.await.expect("no panic");
    assert!(server.end().await.success());
    reply.json()
}

#[tokio::test]
async fn clean_stop_lets_a_running_attempt_end_and_is_no_death() {
    let fixture = fixture();
    stop_in_first_step(&fixture, Revision::July2026).await;
    assert_eq!(fixture.seen(), ["first 1"]);
    let server = fixture.start(&ONE_DEATH);
    fixture.effects_reach(2).await;
    let client = Client::http(server.url(), Revision::November2025).await;
    client.value_keyed("two_steps", &json!({}), KEY).await;
    assert_eq!(fixture.seen(), ["first 1", "second 1"]);
}

#[tokio::test]
async fn client_that_waits_when_the_server_stops_is_told_that_its_call_is_kept() {
    // One with a session comes back to its stream instead.
    let reply = stop_in_first_step(&fixture(), Revision::July2026).await;
    let error = &reply["error"];
    assert_eq!(error["data"]["type"], "invocation_deferred", "{reply}");
    assert_eq!(error["data"]["next"], "retry", "{reply}");
    let message = error["message"].as_str().expect("a text");
    assert!(message.contains("is kept and will go on"), "{message}");
}

#[tokio::test]
async fn server_that_is_asked_to_stop_as_soon_as_it_says_where_it_listens_stops_cleanly() {
    let fixture = fixture();
    fixture.hold("listening");
    let server = fixture.start(&[]);
    fixture.reached("listening").await;
    server.ask_to_stop();
    fixture.release("listening");
    let status = server.end().await;
    assert!(status.success(), "the server stopped with {status}");
}

#[tokio::test]
async fn attempt_that_outlasts_the_grace_period_is_dropped_and_never_repeated_at_most_once() {
    let fixture = fixture();
    fixture.hold("charge.after");
    let server = fixture.start(&["--grace", "1"]);
    let client = Client::http(server.url(), Revision::November2025).await;
    let call = tokio::spawn(async move { client.call_keyed("charge_and_tell", &json!({}), KEY).await });
    fixture.reached("charge.after").await;
    server.stop().await;
    call.abort();
    let server = fixture.start(&[]);
    let client = Client::http(server.url(), Revision::November2025).await;
    let told = client.value_keyed("charge_and_tell", &json!({}), KEY).await;
    assert_eq!(told["status"], "in_doubt", "{told}");
    assert_eq!(fixture.seen(), ["charge 1", "tell 1"]);
}

#[tokio::test]
async fn call_goes_on_after_the_end_of_standard_input() {
    let fixture = fixture();
    fixture.hold("first.after");
    // By hand, for the official client tells the server when it gives a call up.
    let mut process = fixture
        .command(&["--stdio"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the server can be started");
    let mut stdin = process.stdin.take().expect("standard input is piped");
    let initialize = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": { "name": "by hand", "version": "0" },
    } });
    let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    let call = json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": { "name": "two_steps" } });
    for line in [initialize, initialized, call] {
        writeln!(stdin, "{line}").expect("the server reads");
    }
    fixture.reached("first.after").await;
    drop(stdin);
    fixture.release("first.after");
    let status = eventually("the end of the server", async || process.try_wait().expect("a child")).await;
    assert!(status.success(), "the server ended with {status}");
    let server = fixture.start(&ONE_DEATH);
    fixture.effects_reach(2).await;
    server.kill();
    assert_eq!(fixture.seen(), ["first 1", "second 1"]);
}

#[tokio::test]
async fn call_that_its_client_gives_up_over_standard_input_is_cancelled() {
    let fixture = fixture();
    fixture.hold("first.after");
    fixture.hold("second.before");
    let client = Client::stdio(&fixture, Revision::November2025).await;
    {
        let arguments = json!({});
        let mut call = std::pin::pin!(client.call_keyed("two_steps", &arguments, KEY));
        tokio::select! {
            answer = &mut call => panic!("the call was answered: {answer:?}"),
            () = fixture.reached("first.after") => {}
        }
    }
    // If the message comes late, the next attempt is dropped before its effect.
    fixture.release("first.after");
    let result = client.call_keyed("two_steps", &json!({}), KEY).await.expect("an answer");
    assert_eq!(result.is_error, Some(true));
    assert!(text(&result).starts_with("invocation_cancelled"), "{}", text(&result));
    client.close().await;
    assert_eq!(fixture.seen(), ["first 1"]);
}
