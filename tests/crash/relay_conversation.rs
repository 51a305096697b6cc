//! What a client sees of a takeover, message by message.

use durable_tests::StdioClient;
use serde_json::{Value, json};

use crate::fixture;

fn named(id: &Value, name: &str) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "result": { "action": "accept", "content": { "name": name } } })
}

#[tokio::test]
async fn a_question_through_a_relay_is_asked_again_and_the_answer_to_the_old_one_is_none() {
    let fixture = fixture();
    let owner = StdioClient::shared(&fixture, json!({})).await;
    let mut client = StdioClient::shared(&fixture, json!({ "elicitation": {} })).await;
    client.call(1, "asks", json!({})).await;
    let first = client.next().await;
    assert_eq!(first["method"], "elicitation/create", "{first}");
    fixture.kill_owner();
    drop(owner);
    let withdrawn = client.next().await;
    assert_eq!(withdrawn["method"], "notifications/cancelled", "{withdrawn}");
    assert_eq!(withdrawn["params"]["requestId"], first["id"]);
    let second = client.next().await;
    assert_eq!(second["params"], first["params"], "{second}");
    assert_ne!(second["id"], first["id"]);
    client.send(&named(&first["id"], "Eve")).await;
    client.send(&named(&second["id"], "Ada")).await;
    let response = client.next().await;
    assert_eq!((&response["id"], &response["result"]["content"][0]["text"]), (&json!(1), &json!("Hello, Ada!")));
    assert_eq!(fixture.seen(), ["before 1", "after 1"]);
    assert_eq!(client.close().await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_call_that_an_owner_admitted_is_cancelled_at_the_next_one() {
    let fixture = fixture();
    let owner = StdioClient::shared(&fixture, json!({})).await;
    let mut client = StdioClient::shared(&fixture, json!({})).await;
    fixture.hold("first.after");
    fixture.hold("second.before");
    client.call(1, "two_steps", json!({})).await;
    fixture.reached("first.after").await;
    fixture.kill_owner();
    drop(owner);
    client
        .send(&json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 1 } }))
        .await;
    // The next owner makes the attempt again, and is told before that ends.
    fixture.effects_reach(2).await;
    client.call(2, "greet", json!({ "name": "ada" })).await;
    assert_eq!(client.next().await["id"], 2);
    fixture.release("first.after");
    client.call(3, "number", json!({})).await;
    assert_eq!(client.next().await["id"], 3);
    assert_eq!(client.close().await, Vec::<Value>::new());
    fixture.release("second.before");
    let server = fixture.start(&[]);
    server.stop().await;
    assert_eq!(fixture.seen(), ["first 1", "first 1"]);
}

#[tokio::test]
async fn a_message_that_is_too_large_is_refused_and_the_next_one_is_not() {
    let fixture = fixture();
    let _owner = StdioClient::shared(&fixture, json!({})).await;
    let mut client = StdioClient::shared(&fixture, json!({})).await;
    client.call(1, "greet", json!({ "name": "x".repeat(5 << 20) })).await;
    client.call(2, "greet", json!({ "name": "ada" })).await;
    let refused = client.next().await;
    assert_eq!(refused["error"]["data"]["type"], "message_too_large", "{refused}");
    let greeted = client.next().await;
    assert_eq!((&greeted["id"], &greeted["result"]["structuredContent"]["text"]), (&json!(2), &json!("Hello, ada!")));
}

#[tokio::test]
async fn answers_to_what_was_asked_before_the_end_of_input_are_given() {
    let fixture = fixture();
    let _owner = StdioClient::shared(&fixture, json!({})).await;
    let mut client = StdioClient::shared(&fixture, json!({})).await;
    for id in 1..=5 {
        client.call(id, "one_step", json!({})).await;
    }
    let mut answered: Vec<_> = client.close().await.iter().map(|message| message["id"].clone()).collect();
    answered.sort_by_key(Value::as_i64);
    assert_eq!(answered, [1, 2, 3, 4, 5]);
}
