//! Sessions of the revision 2025-11-25 over the end of their process.

use durable_tests::{Client, Event, Events, Fixture, HttpClient, Revision, ServerProcess, eventually};
use serde_json::{Value, json};

use crate::fixture;

/// A session with a call that is held at this point of its step, and the first event of the call's stream.
async fn held_call(fixture: &Fixture, server: &ServerProcess, tool: &str, point: &str) -> (HttpClient, Events, String) {
    fixture.hold(point);
    let client = HttpClient::connect(server.url(), Revision::November2025).await;
    let mut stream = client.begin(tool, &json!({})).await;
    let first = stream.next().await.expect("the stream begins");
    assert_eq!(first.message, None);
    fixture.reached(point).await;
    (client, stream, first.id.expect("it has an id"))
}

fn attempt(message: Option<&Value>) -> &Value {
    &message.expect("a message")["result"]["structuredContent"]["attempt"]
}

#[tokio::test]
async fn a_call_in_flight_is_answered_on_its_stream_after_the_server_was_killed() {
    let fixture = fixture();
    let server = fixture.start(&[]);
    let (client, mut stream, first) = held_call(&fixture, &server, "one_step", "only.before").await;
    server.kill();
    assert_eq!(stream.next().await, None, "the connection is lost");
    fixture.release("only.before");
    let server = fixture.start(&[]);
    let client = client.moved_to(server.url());
    let events = client.come_back(&first).await.rest().await;
    assert_eq!(events.len(), 1, "{events:?}");
    let message = events[0].message.as_ref().expect("a message");
    // The first request of the session was `initialize`.
    assert_eq!(message["id"], 1, "{message}");
    assert_eq!(attempt(Some(message)), 1, "{message}");
    assert_eq!(fixture.seen(), ["only 1"]);
    // It is there for whoever lost it again, and nothing comes after it.
    assert_eq!(client.come_back(&first).await.rest().await, events);
    let last = events[0].id.as_deref().expect("an id");
    assert_eq!(client.come_back(last).await.rest().await, []);
    server.stop().await;
}

#[tokio::test]
async fn a_client_that_comes_back_before_the_call_has_ended_waits_on_the_same_stream() {
    let fixture = fixture();
    let server = fixture.start(&[]);
    let (client, _stream, first) = held_call(&fixture, &server, "one_step", "only.before").await;
    server.kill();
    let server = fixture.start(&[]);
    let client = client.moved_to(server.url());
    fixture.reached("only.before").await;
    let mut stream = client.come_back(&first).await;
    // The session goes on meanwhile.
    let other = client.call("greet", &json!({ "name": "ada" }), &[]).await.json();
    assert!(other["result"].is_object(), "{other}");
    fixture.release("only.before");
    assert_eq!(attempt(stream.next().await.expect("the response").message.as_ref()), 1);
    assert_eq!(stream.next().await, None);
    server.stop().await;
}

#[tokio::test]
async fn calls_in_flight_keep_their_streams_apart_over_two_deaths() {
    let fixture = fixture();
    let server = fixture.start(&[]);
    let (client, _first, first_event) = held_call(&fixture, &server, "one_step", "only.before").await;
    fixture.hold("charge.before");
    let mut second = client.begin("charge", &json!({})).await;
    let second_event = second.next().await.expect("the stream begins").id.expect("an id");
    fixture.reached("charge.before").await;
    server.kill();
    fixture.start(&[]).kill();
    fixture.release("only.before");
    fixture.release("charge.before");
    let server = fixture.start(&[]);
    let client = client.moved_to(server.url());
    let events = client.come_back(&second_event).await.rest().await;
    let message = events[0].message.as_ref().expect("a message");
    assert_eq!(
        (events.len(), &message["id"], &message["result"]["isError"]),
        (1, &json!(2), &json!(true)),
        "{message}"
    );
    let events = client.come_back(&first_event).await.rest().await;
    let message = events[0].message.as_ref().expect("a message");
    assert_eq!((events.len(), &message["id"], attempt(Some(message))), (1, &json!(1), &json!(1)), "{message}");
    server.stop().await;
}

#[tokio::test]
async fn a_clean_stop_ends_the_stream_without_a_response_and_the_client_comes_back_for_it() {
    let fixture = fixture();
    let server = fixture.start(&[]);
    let (client, mut stream, first) = held_call(&fixture, &server, "two_steps", "first.after").await;
    server.ask_to_stop();
    let address = server.url().trim_start_matches("http://").trim_end_matches("/mcp").to_owned();
    // It takes no connections any more: it is stopping.
    let has_heard = async || std::net::TcpStream::connect(&address).is_err().then_some(());
    eventually("the begin of the stop", has_heard).await;
    fixture.release("first.after");
    assert_eq!(stream.rest().await, []);
    assert!(server.end().await.success());
    let server = fixture.start(&[]);
    let events = client.moved_to(server.url()).come_back(&first).await.rest().await;
    assert!(events[0].message.as_ref().expect("a message")["result"]["structuredContent"].is_object(), "{events:?}");
    assert_eq!(fixture.seen(), ["first 1", "second 1"]);
    server.stop().await;
}

#[tokio::test]
async fn a_session_goes_on_after_a_death_and_one_that_was_ended_does_not() {
    let fixture = fixture();
    let server = fixture.start(&[]);
    let kept = HttpClient::connect(server.url(), Revision::November2025).await;
    let ended = HttpClient::connect(server.url(), Revision::November2025).await;
    assert_eq!(ended.end_session().await, 204);
    assert_eq!(ended.call("greet", &json!({ "name": "ada" }), &[]).await.status, 404);
    server.kill();
    let server = fixture.start(&[]);
    let (kept, ended) = (kept.moved_to(server.url()), ended.moved_to(server.url()));
    let arguments = json!({ "name": "ada" });
    let replies = tokio::join!(kept.call("greet", &arguments, &[]), kept.call("greet", &arguments, &[]));
    assert_eq!((replies.0.status, replies.1.status), (200, 200));
    assert_eq!(ended.call("greet", &json!({ "name": "ada" }), &[]).await.status, 404);
    server.stop().await;
}

#[tokio::test]
async fn a_session_that_nobody_used_for_its_time_to_live_is_unknown() {
    let fixture = fixture();
    let server = fixture.start(&[]);
    let client = HttpClient::connect(server.url(), Revision::November2025).await;
    server.kill();
    let server = fixture.start(&["--session-time-to-live", "0"]);
    assert_eq!(client.moved_to(server.url()).call("greet", &json!({ "name": "ada" }), &[]).await.status, 404);
    server.stop().await;
}

#[tokio::test]
async fn an_official_client_gets_its_answer_over_a_death_without_calling_again() {
    let fixture = fixture();
    fixture.hold("only.before");
    let server = fixture.start(&["--listen", "127.0.0.1:0"]);
    let url = server.url().to_owned();
    let address = url.trim_start_matches("http://").trim_end_matches("/mcp").to_owned();
    let client = Client::http(&url, Revision::November2025).await;
    let call = tokio::spawn(async move { client.call("one_step", &json!({})).await });
    fixture.reached("only.before").await;
    server.kill();
    fixture.release("only.before");
    let server = fixture.start(&["--listen", &address]);
    let result = call.await.expect("no panic").expect("an answer");
    assert_eq!(result.structured_content.expect("a value")["attempt"], 1);
    assert_eq!(fixture.seen(), ["only 1"]);
    server.stop().await;
}

#[tokio::test]
async fn a_call_of_an_earlier_process_can_be_cancelled_in_its_session() {
    let fixture = fixture();
    let server = fixture.start(&[]);
    let (client, _stream, first) = held_call(&fixture, &server, "two_steps", "first.after").await;
    server.kill();
    let server = fixture.start(&[]);
    let client = client.moved_to(server.url());
    fixture.reached("first.after").await;
    // The first request of the session was `initialize`.
    assert_eq!(client.cancel(1).await, 202);
    fixture.release("first.after");
    let events = client.come_back(&first).await.rest().await;
    let result = &events[0].message.as_ref().expect("a message")["result"];
    assert_eq!(result["_meta"]["durable/error"]["type"], "invocation_cancelled", "{result}");
    assert_eq!(fixture.seen(), ["first 1", "first 1"]);
    server.stop().await;
}

#[tokio::test]
async fn events_have_the_same_ids_and_the_same_result_in_the_next_process() {
    let fixture = fixture();
    let server = fixture.start(&[]);
    let client = HttpClient::connect(server.url(), Revision::November2025).await;
    let before = client.begin("two_steps", &json!({})).await.rest().await;
    let first = before[0].id.as_deref().expect("an id");
    server.kill();
    let server = fixture.start(&[]);
    let after = client.moved_to(server.url()).come_back(first).await.rest().await;
    assert_eq!((before.len(), after.len()), (2, 1), "{before:?} {after:?}");
    assert_eq!(after[0].id, before[1].id);
    let response = |event: &Event| {
        let message = event.message.as_ref().expect("a message");
        (message["id"].clone(), message["result"]["content"].clone(), message["result"]["structuredContent"].clone())
    };
    assert_eq!(response(&after[0]), response(&before[1]));
    server.stop().await;
}

#[tokio::test]
async fn a_call_that_was_cancelled_stays_so_in_the_next_process() {
    let fixture = fixture();
    let server = fixture.start(&[]);
    let (client, _stream, first) = held_call(&fixture, &server, "two_steps", "first.after").await;
    // The first request of the session was `initialize`.
    assert_eq!(client.cancel(1).await, 202);
    fixture.release("first.after");
    let cancelled = client.come_back(&first).await.rest().await;
    server.kill();
    let server = fixture.start(&[]);
    let again = client.moved_to(server.url()).come_back(&first).await.rest().await;
    for events in [cancelled, again] {
        let result = &events[0].message.as_ref().expect("a message")["result"];
        assert_eq!(result["_meta"]["durable/error"]["type"], "invocation_cancelled", "{result}");
    }
    assert_eq!(fixture.seen(), ["first 1"]);
    server.stop().await;
}
