//! What clients are told that no request of theirs asked for, over the end of the process.

use durable_tests::{Events, HttpClient, Revision, ServerProcess};
use serde_json::{Value, json};

use crate::fixture;

/// Lets the server tell of a change, as another client's call.
async fn announce(server: &ServerProcess, what: &str) {
    let other = HttpClient::connect(server.url(), Revision::July2026).await;
    let told = other.call("announces", &json!({ "what": what }), &[]).await.json();
    assert!(told["result"].is_object(), "{told}");
}

/// The method of the next message, and the URI in it.
async fn next(stream: &mut Events) -> (String, Value) {
    loop {
        let event = stream.next().await.expect("an event");
        if let Some(message) = event.message {
            let method = message["method"].as_str().expect("a notification");
            return (method.to_owned(), message["params"]["uri"].clone());
        }
    }
}

fn updated(uri: &str) -> (String, Value) {
    ("notifications/resources/updated".to_owned(), json!(uri))
}

fn tools_changed() -> (String, Value) {
    ("notifications/tools/list_changed".to_owned(), Value::Null)
}

#[tokio::test]
async fn subscriptions_and_the_log_level_of_a_session_survive_a_death() {
    let fixture = fixture();
    let server = fixture.start(&[]);
    let client = HttpClient::connect(server.url(), Revision::November2025).await;
    for (method, params) in [
        ("resources/subscribe", json!({ "uri": "test://number/7" })),
        ("resources/subscribe", json!({ "uri": "test://number/8" })),
        ("resources/unsubscribe", json!({ "uri": "test://number/8" })),
        ("logging/setLevel", json!({ "level": "debug" })),
    ] {
        let done = client.request(method, params, &[]).await.json();
        assert!(done["result"].is_object(), "{method}: {done}");
    }
    server.kill();
    let server = fixture.start(&[]);
    let client = client.moved_to(server.url());
    let mut stream = client.listen().await;
    for what in ["test://number/8", "test://number/7", "tools"] {
        announce(&server, what).await;
    }
    assert_eq!(next(&mut stream).await, updated("test://number/7"));
    assert_eq!(next(&mut stream).await, tools_changed());
    let events = client.begin("tells", &json!({})).await.rest().await;
    let logged = events.iter().filter_map(|event| event.message.as_ref());
    assert_eq!(logged.filter(|message| message["method"] == "notifications/message").count(), 2, "{events:?}");
    // Another session has wishes of its own, and those of one that was ended are gone.
    let other = HttpClient::connect(server.url(), Revision::November2025).await;
    let mut silent = other.listen().await;
    announce(&server, "test://number/7").await;
    announce(&server, "tools").await;
    assert_eq!(next(&mut silent).await, tools_changed());
    server.stop().await;
}

#[tokio::test]
async fn a_change_that_was_told_is_not_told_again_by_a_replay_nor_to_who_comes_back() {
    let fixture = fixture();
    fixture.hold("last.before");
    let server = fixture.start(&[]);
    let client = HttpClient::connect(server.url(), Revision::November2025).await;
    let mut stream = client.listen().await;
    let mut call = client.begin("announces_and_works", &json!({})).await;
    let first = call.next().await.expect("the stream begins").id.expect("an id");
    assert_eq!(next(&mut stream).await, tools_changed());
    fixture.reached("last.before").await;
    server.kill();
    assert_eq!(stream.next().await, None, "the connection is lost");
    let server = fixture.start(&[]);
    let client = client.moved_to(server.url());
    let mut stream = client.listen().await;
    // The call is replayed up to where it was.
    fixture.reached("last.before").await;
    fixture.release("last.before");
    let events = client.come_back(&first).await.rest().await;
    assert!(events[0].message.as_ref().expect("a message")["result"].is_object(), "{events:?}");
    client.request("resources/subscribe", json!({ "uri": "test://number/7" }), &[]).await;
    announce(&server, "test://number/7").await;
    assert_eq!(next(&mut stream).await, updated("test://number/7"));
    assert_eq!(fixture.seen(), ["announced 1", "last 1"]);
    server.stop().await;
}

#[tokio::test]
async fn a_stream_that_listens_is_told_what_it_asked_for_and_nothing_else_by_the_next_process_too() {
    let fixture = fixture();
    let wanted = json!({ "notifications": { "resourceSubscriptions": ["test://number/7"], "toolsListChanged": true } });
    for _ in 0..2 {
        let server = fixture.start(&[]);
        let client = HttpClient::connect(server.url(), Revision::July2026).await;
        let mut stream = client.begin_request("subscriptions/listen", wanted.clone()).await;
        assert_eq!(next(&mut stream).await.0, "notifications/subscriptions/acknowledged");
        for what in ["test://number/8", "test://number/7", "tools"] {
            announce(&server, what).await;
        }
        assert_eq!(next(&mut stream).await, updated("test://number/7"));
        assert_eq!(next(&mut stream).await, tools_changed());
        server.kill();
        assert_eq!(stream.next().await, None, "the connection is lost");
    }
}
