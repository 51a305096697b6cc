//! Sessions of the revision 2025-11-25, and connections that are lost.

use durable_tests::{HttpClient, Revision};
use serde_json::json;

use crate::fixture;

#[tokio::test]
async fn a_client_that_lost_its_connection_gets_the_response_on_the_stream_it_comes_back_to() {
    let fixture = fixture();
    fixture.hold("only.before");
    let server = fixture.start(&[]);
    let client = HttpClient::connect(server.url(), Revision::November2025).await;
    let mut stream = client.begin("one_step", &json!({})).await;
    let first = stream.next().await.expect("the stream begins").id.expect("an id");
    drop(stream);
    let mut stream = client.come_back(&first).await;
    fixture.release("only.before");
    let response = stream.next().await.expect("the response");
    assert_eq!(response.message.expect("a message")["result"]["structuredContent"]["attempt"], 1);
    assert_eq!(stream.next().await, None);
    assert_eq!(fixture.seen(), ["only 1"]);
    server.stop().await;
}

#[tokio::test]
async fn a_client_that_comes_back_twice_is_answered_once() {
    let fixture = fixture();
    fixture.hold("only.before");
    let server = fixture.start(&[]);
    let client = HttpClient::connect(server.url(), Revision::November2025).await;
    let mut stream = client.begin("one_step", &json!({})).await;
    let first = stream.next().await.expect("the stream begins").id.expect("an id");
    let mut again = client.come_back(&first).await;
    assert_eq!(stream.next().await, None, "two connections read one stream");
    fixture.release("only.before");
    assert_eq!(again.rest().await.len(), 1);
    server.stop().await;
}

#[tokio::test]
async fn a_read_only_call_has_no_event_ids_for_it_cannot_be_come_back_to() {
    let fixture = fixture();
    let server = fixture.start(&[]);
    let client = HttpClient::connect(server.url(), Revision::November2025).await;
    let events = client.begin("commits", &json!({})).await.rest().await;
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].id, None);
    server.stop().await;
}

#[tokio::test]
async fn another_session_cannot_come_back_to_a_stream() {
    let fixture = fixture();
    let server = fixture.start(&[]);
    let client = HttpClient::connect(server.url(), Revision::November2025).await;
    let events = client.begin("one_step", &json!({})).await.rest().await;
    let first = events[0].id.as_deref().expect("an id");
    assert_eq!(client.come_back(first).await.rest().await.len(), 1);
    let other = HttpClient::connect(server.url(), Revision::November2025).await;
    assert_eq!(other.come_back(first).await.rest().await, []);
    server.stop().await;
}

#[tokio::test]
async fn an_event_id_that_is_none_of_ours_gives_nothing_and_the_session_goes_on() {
    let fixture = fixture();
    let server = fixture.start(&[]);
    let client = HttpClient::connect(server.url(), Revision::November2025).await;
    let unknown = ["00000000000000000000000000000007.1", "00000000000000000000000000000007.end"];
    for id in unknown {
        assert_eq!(client.come_back(id).await.rest().await, [], "{id}");
    }
    // These may be of the stream that no request asked for.
    for id in ["0", "garbage", "1/2"] {
        assert_eq!(client.come_back(id).await.status(), 200);
    }
    assert_eq!(client.call("greet", &json!({ "name": "ada" }), &[]).await.status, 200);
    server.stop().await;
}

#[tokio::test]
async fn a_request_id_that_is_in_use_is_refused_and_the_first_request_is_answered() {
    let fixture = fixture();
    fixture.hold("only.before");
    let server = fixture.start(&[]);
    let client = HttpClient::connect(server.url(), Revision::November2025).await;
    let mut stream = client.begin("one_step", &json!({})).await;
    stream.next().await.expect("the stream begins");
    let params = json!({ "name": "greet", "arguments": { "name": "ada" } });
    let second = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
    let reply = client.raw(second.to_string(), &[]).await.json();
    assert_eq!(reply["error"]["data"]["type"], "request_id_used", "{reply}");
    fixture.release("only.before");
    let response = stream.next().await.expect("the response").message.expect("a message");
    assert_eq!(response["result"]["structuredContent"]["attempt"], 1);
    server.stop().await;
}

#[tokio::test]
async fn a_client_that_does_not_read_holds_up_no_other_call_of_its_session() {
    let fixture = fixture();
    let server = fixture.start(&[]);
    let client = HttpClient::connect(server.url(), Revision::November2025).await;
    let mut unread = Vec::new();
    for _ in 0..40 {
        unread.push(client.begin("one_step", &json!({})).await);
    }
    assert_eq!(client.call("greet", &json!({ "name": "ada" }), &[]).await.status, 200);
    for mut stream in unread {
        assert_eq!(stream.rest().await.len(), 2);
    }
    server.stop().await;
}

#[tokio::test]
async fn a_call_that_is_cancelled_goes_no_further_and_stays_cancelled_under_its_key() {
    let fixture = fixture();
    fixture.hold("first.after");
    let server = fixture.start(&[]);
    let client = HttpClient::connect(server.url(), Revision::November2025).await;
    let key = [("idempotency-key", "0d7a7a0c-1a47-4f0c-8a4f-6f8b7c3f0a11")];
    let calling = client.clone();
    let call = tokio::spawn(async move { calling.call("two_steps", &json!({}), &key).await });
    fixture.reached("first.after").await;
    // The first request of the session was `initialize`.
    assert_eq!(client.cancel(1).await, 202);
    fixture.release("first.after");
    call.abort();
    let again = client.call("two_steps", &json!({}), &key).await.json();
    assert_eq!(again["result"]["isError"], true, "{again}");
    assert_eq!(again["result"]["_meta"]["durable/error"]["type"], "invocation_cancelled", "{again}");
    assert_eq!(fixture.seen(), ["first 1"]);
    server.stop().await;
}

#[tokio::test]
async fn a_reader_that_has_stalled_holds_up_no_other_call_of_its_session() {
    let fixture = fixture();
    let server = fixture.start(&[]);
    let client = HttpClient::connect(server.url(), Revision::November2025).await;
    let mut stalled = client.begin("floods", &json!({})).await;
    // It is much more than a connection holds that nobody reads.
    fixture.effects_reach(1).await;
    assert_eq!(client.call("one_step", &json!({}), &[]).await.status, 200);
    assert_eq!(client.call("commits", &json!({}), &[]).await.status, 200);
    let mut asked = client.begin("two_steps", &json!({})).await;
    assert_eq!(asked.rest().await.len(), 2);
    let events = stalled.rest().await;
    assert!(events.last().expect("events").message.as_ref().expect("a message")["result"].is_object());
    server.stop().await;
}

#[tokio::test]
async fn a_slow_sync_holds_up_its_own_call_and_no_other_one_of_the_session() {
    let fixture = fixture();
    fixture.hold("commit");
    let server = fixture.start(&["--hold-commit"]);
    let client = HttpClient::connect(server.url(), Revision::November2025).await;
    let calling = client.clone();
    let slow = tokio::spawn(async move { calling.call("one_step", &json!({}), &[]).await.json() });
    fixture.reached("commit").await;
    for tool in ["commits", "charge"] {
        let other = client.call(tool, &json!({}), &[]).await.json();
        assert!(other["result"]["structuredContent"].is_object(), "{other}");
    }
    assert!(!slow.is_finished());
    assert_eq!(fixture.seen(), ["charge 1"], "nothing happens before the commit that it depends on");
    fixture.release("commit");
    assert_eq!(slow.await.expect("an answer")["result"]["structuredContent"]["attempt"], 1);
    server.stop().await;
}
