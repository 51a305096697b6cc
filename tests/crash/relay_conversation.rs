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
    client.send(&json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 1 } })).await;
    // The next owner is told before the attempt, if it is made again, can end.
    for id in 2..=4 {
        client.call(id, "one_step", json!({})).await;
        assert_eq!(client.next().await["id"], id);
    }
    fixture.release("first.after");
    assert_eq!(client.close().await, Vec::<Value>::new());
    fixture.release("second.before");
    let server = fixture.start(&[]);
    server.stop().await;
    let counts = fixture.counts();
    assert!(counts["first"] <= 2 && !counts.contains_key("second"), "{counts:?}");
}

#[tokio::test]
async fn a_message_that_is_too_large_is_refused_and_the_next_one_is_not() {
    let fixture = fixture();
    let _owner = StdioClient::shared(&fixture, json!({})).await;
    let mut client = StdioClient::shared(&fixture, json!({})).await;
    client.call(1, "greet", json!({ "name": "x".repeat(17 << 20) })).await;
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

#[tokio::test]
async fn a_call_of_a_tool_beside_is_not_made_again_by_itself() {
    let fixture = fixture();
    let owner = StdioClient::start(&fixture, &["--beside"], json!({})).await;
    let mut client = StdioClient::start(&fixture, &["--beside"], json!({})).await;
    fixture.hold("existing");
    client.call(1, "existing", json!({})).await;
    fixture.reached("existing").await;
    fixture.kill_owner();
    drop(owner);
    let lost = client.next().await;
    assert_eq!((&lost["id"], &lost["error"]["data"]["type"]), (&json!(1), &json!("call_lost")), "{lost}");
    fixture.release("existing");
    client.call(2, "existing", json!({})).await;
    assert_eq!(client.next().await["result"]["content"][0]["text"], "from beside");
}

#[tokio::test]
async fn progress_through_a_relay_goes_on_after_the_owner_was_killed_and_never_back() {
    let fixture = fixture();
    let owner = StdioClient::shared(&fixture, json!({})).await;
    let mut client = StdioClient::shared(&fixture, json!({})).await;
    fixture.hold("last.before");
    let params = json!({ "name": "tells", "arguments": {}, "_meta": { "progressToken": "mine" } });
    client.send(&json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params })).await;
    let mut told = Vec::new();
    let mut tell = |message: &Value| {
        if message["method"] == "notifications/progress" {
            assert_eq!(message["params"]["progressToken"], "mine");
            told.push(message["params"]["progress"].as_f64().expect("a number"));
        }
    };
    fixture.reached("last.before").await;
    fixture.kill_owner();
    drop(owner);
    // Progress is told to whoever is there: when this is answered, the client is.
    client.call(2, "one_step", json!({})).await;
    loop {
        let message = client.next().await;
        tell(&message);
        if message["id"] == 2 {
            fixture.release("last.before");
        }
        if message["id"] == 1 {
            assert_eq!(message["result"]["content"][0]["text"], "1", "{message}");
            break;
        }
    }
    assert!(told.is_sorted() && told.contains(&4.0), "{told:?}");
    assert!(told.windows(2).all(|two| two[0] < two[1]), "{told:?}");
}

#[tokio::test]
async fn servers_that_are_started_at_once_on_a_new_store_all_answer() {
    for _ in 0..5 {
        let fixture = fixture();
        let starting: Vec<_> = (0..4)
            .map(|number| {
                let fixture = &fixture;
                async move {
                    let mut client = StdioClient::shared(fixture, json!({})).await;
                    client.call(1, "one_step", json!({ "label": format!("step-{number}") })).await;
                    assert_eq!(client.next().await["id"], 1);
                    client
                }
            })
            .collect();
        let [a, b, c, d] = starting.try_into().unwrap_or_else(|_| unreachable!("there are four"));
        let _clients = tokio::join!(a, b, c, d);
        assert_eq!(fixture.effects().len(), 4);
    }
}
