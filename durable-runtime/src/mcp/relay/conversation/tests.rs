use super::*;
use crate::mcp::relay::line::META;

fn line(message: &Value) -> Vec<u8> {
    serde_json::to_vec(message).expect("JSON")
}

/// What is sent, as JSON, and to whom.
fn sent(sent: Vec<Send>) -> Vec<(&'static str, Value)> {
    let parsed = |line: &[u8]| serde_json::from_slice(line).expect("a line is JSON");
    sent.iter()
        .map(|sent| match sent {
            Send::ToClient(line) => ("client", parsed(line)),
            Send::ToOwner(line) => ("owner", parsed(line)),
        })
        .collect()
}

fn call(id: i64) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": { "name": "charge" } })
}

fn answer(id: &Value) -> Vec<u8> {
    line(&json!({ "jsonrpc": "2.0", "id": id, "result": {} }))
}

fn initialize() -> Value {
    json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {} })
}

fn initialized() -> Value {
    json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })
}

/// A conversation with an owner that knows the client.
fn begun() -> Conversation {
    let mut conversation = Conversation::new();
    assert!(conversation.found().is_empty());
    assert_eq!(sent(conversation.client_says(&line(&initialize()))), [("owner", initialize())]);
    assert!(conversation.owner_says(&answer(&json!(0))));
    assert_eq!(sent(conversation.client_says(&line(&initialized()))), [("owner", initialized())]);
    conversation
}

#[test]
fn next_owner_is_told_of_the_client_and_asked_again_only_what_is_not_answered() {
    let mut conversation = begun();
    for id in [1, 2] {
        conversation.client_says(&line(&call(id)));
    }
    assert!(conversation.owner_says(&answer(&json!(1))));
    assert!(conversation.lost().is_empty());
    // It comes while there is no owner.
    assert!(conversation.client_says(&line(&call(3))).is_empty());
    let sent = sent(conversation.found());
    let methods: Vec<_> = sent.iter().map(|(to, message)| (*to, message["method"].as_str().expect("one"))).collect();
    let expected =
        ["initialize", "notifications/initialized", "tools/call", "tools/call"].map(|method| ("owner", method));
    assert_eq!(methods, expected);
    assert_eq!(sent[2].1["id"], 2);
    assert_eq!(sent[2].1["params"]["_meta"][META], json!({ "number": 3, "again": true }));
    assert_eq!(sent[3].1["params"]["_meta"][META], json!({ "number": 4 }));
    // Its answer to what the relay sent by itself is not the client's.
    assert!(!conversation.owner_says(&answer(&sent[0].1["id"])));
    assert!(conversation.owner_says(&answer(&json!(2))));
    assert!(!conversation.owner_says(&answer(&json!(2))), "a request was answered twice");
    assert!(!conversation.owner_says(&answer(&json!(1))), "a request was answered by two owners");
}

#[test]
fn an_id_that_is_used_again_is_another_request() {
    let mut conversation = begun();
    let first = sent(conversation.client_says(&line(&call(1))));
    conversation.owner_says(&answer(&json!(1)));
    let second = sent(conversation.client_says(&line(&call(1))));
    assert_ne!(first[0].1["params"]["_meta"][META]["number"], second[0].1["params"]["_meta"][META]["number"]);
}

#[test]
fn a_client_cannot_number_its_requests() {
    let mut conversation = begun();
    let mut forged = call(1);
    forged["params"]["_meta"] = json!({ META: { "number": 1, "again": true }, "progressToken": 7 });
    let sent = sent(conversation.client_says(&line(&forged)));
    assert_eq!(sent[0].1["params"]["_meta"], json!({ META: { "number": 2 }, "progressToken": 7 }));
}

#[test]
fn a_call_that_was_given_up_is_cancelled_at_the_next_owner_and_not_made_again() {
    let mut conversation = begun();
    conversation.client_says(&line(&call(1)));
    let cancelled =
        json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 1, "reason": "no" } });
    let told = sent(conversation.client_says(&line(&cancelled)));
    assert_eq!(told[0].1["params"]["_meta"][META], json!({ "number": 2 }));
    conversation.lost();
    let methods: Vec<_> =
        sent(conversation.found()).into_iter().map(|(_, message)| message["method"].clone()).collect();
    assert_eq!(methods, ["initialize", "notifications/initialized", "notifications/cancelled"]);
    // One that no owner had is not made at all.
    conversation.lost();
    conversation.client_says(&line(&call(5)));
    let cancelled = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 5 } });
    assert!(conversation.client_says(&line(&cancelled)).is_empty());
    assert_eq!(conversation.found().len(), 3);
}

#[test]
fn a_question_of_an_owner_that_has_gone_is_withdrawn_and_its_late_answer_dropped() {
    let mut conversation = begun();
    conversation.client_says(&line(&call(1)));
    for id in ["a.0", "a.1"] {
        let question = json!({ "jsonrpc": "2.0", "id": id, "method": "elicitation/create", "params": {} });
        assert!(conversation.owner_says(&line(&question)));
    }
    assert_eq!(conversation.client_says(&answer(&json!("a.0"))).len(), 1);
    let withdrawn = sent(conversation.lost());
    assert_eq!(withdrawn.len(), 1);
    assert_eq!((withdrawn[0].0, &withdrawn[0].1["params"]["requestId"]), ("client", &json!("a.1")));
    conversation.found();
    assert!(conversation.client_says(&answer(&json!("a.1"))).is_empty());
    assert!(conversation.client_says(&answer(&json!("a.0"))).is_empty(), "a question was answered twice");
}

#[test]
fn what_an_owner_was_told_of_levels_and_subscriptions_is_told_the_next_one() {
    let mut conversation = begun();
    let requests = [
        ("logging/setLevel", json!({ "level": "debug" })),
        ("logging/setLevel", json!({ "level": "error" })),
        ("resources/subscribe", json!({ "uri": "a" })),
        ("resources/subscribe", json!({ "uri": "b" })),
        ("resources/unsubscribe", json!({ "uri": "a" })),
    ];
    for (id, (method, params)) in (1..).zip(&requests) {
        conversation.client_says(&line(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })));
        assert!(conversation.owner_says(&answer(&json!(id))));
    }
    conversation.lost();
    let told: Vec<_> = sent(conversation.found()).into_iter().map(|(_, message)| message["params"].clone()).collect();
    assert_eq!(told[2..], [json!({ "level": "error" }), json!({ "uri": "b" })]);
}

#[test]
fn without_initialize_nothing_but_requests_begins_a_connection() {
    // As in the revision 2026-07-28.
    let mut conversation = Conversation::new();
    conversation.found();
    let discover = json!({ "jsonrpc": "2.0", "id": 1, "method": "server/discover", "params": {} });
    assert_eq!(conversation.client_says(&line(&discover)).len(), 1);
    let changed = json!({ "jsonrpc": "2.0", "method": "notifications/roots/list_changed" });
    assert!(conversation.client_says(&line(&changed)).is_empty());
    assert_eq!(conversation.client_says(&line(&call(2))).len(), 2, "it comes after the request");
    conversation.owner_says(&answer(&json!(1)));
    conversation.owner_says(&answer(&json!(2)));
    conversation.lost();
    assert!(conversation.found().is_empty());
}

#[test]
fn what_is_no_message_or_too_long_is_answered_where_it_can_be() {
    let mut conversation = begun();
    assert!(conversation.client_says(b"{\"jsonrpc").is_empty());
    assert_eq!(sent(conversation.client_says(b"[]"))[0].1["error"]["code"], -32600);
    for (begin, id) in [
        (r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"id":"x"#, json!(7)),
        (r#"{"method":"tools/call","id": "a\"b","params":{"#, json!("a\"b")),
        (r#"{"params":{"arguments":{"id":7"#, Value::Null),
    ] {
        let told = sent(Conversation::too_long(begin.as_bytes(), 10));
        assert_eq!((told[0].0, &told[0].1["id"]), ("client", &id), "{begin}");
        assert_eq!(told[0].1["error"]["data"]["type"], "message_too_large");
    }
}

#[test]
fn a_call_that_was_given_up_is_told_to_an_owner_that_the_client_begins_with_a_request() {
    // As in the revision 2026-07-28, where nothing is told an owner before.
    let mut conversation = Conversation::new();
    conversation.found();
    conversation.client_says(&line(&call(1)));
    conversation.lost();
    let cancelled = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 1 } });
    assert!(conversation.client_says(&line(&cancelled)).is_empty());
    assert!(conversation.found().is_empty());
    let told: Vec<_> = sent(conversation.client_says(&line(&call(2))))
        .into_iter()
        .map(|(_, message)| (message["method"].clone(), message["params"]["_meta"][META]["number"].clone()))
        .collect();
    assert_eq!(told, [(json!("tools/call"), json!(2)), (json!("notifications/cancelled"), json!(1))]);
    assert_eq!(conversation.client_says(&line(&call(3))).len(), 1, "it is told once");
}

#[test]
fn a_request_that_nobody_knows_is_not_made_twice_by_itself() {
    let mut conversation = begun();
    for (id, method) in [(1, "acme/launch"), (2, "tools/list")] {
        conversation.client_says(&line(&json!({ "jsonrpc": "2.0", "id": id, "method": method })));
    }
    let told = sent(conversation.lost());
    assert_eq!(told.len(), 1);
    assert_eq!(
        (told[0].0, &told[0].1["id"], &told[0].1["error"]["data"]["type"]),
        ("client", &json!(1), &json!("call_lost"))
    );
    // One that came when there was no owner is made.
    conversation.client_says(&line(&json!({ "jsonrpc": "2.0", "id": 3, "method": "acme/launch" })));
    let methods: Vec<_> =
        sent(conversation.found()).into_iter().map(|(_, message)| message["method"].clone()).collect();
    assert_eq!(methods[2..], ["tools/list", "acme/launch"]);
}

#[test]
fn what_no_owner_answers_is_answered_with_why() {
    let mut conversation = begun();
    conversation.client_says(&line(&call(1)));
    conversation.lost();
    conversation.client_says(&line(&call(2)));
    let told = sent(conversation.failed(&Error::new(ErrorKind::AskPerson, "store_held", "it is held")));
    let told: Vec<_> = told.iter().map(|(to, answer)| (*to, &answer["id"], &answer["error"]["data"]["type"])).collect();
    let held = json!("store_held");
    assert_eq!(told, [("client", &json!(1), &held), ("client", &json!(2), &held)]);
}
