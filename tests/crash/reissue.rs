//! The same call again, after a crash.

use durable_tests::{Client, HttpClient, Revision, refusal, structured};
use serde_json::{Value, json};

use crate::{KEY, fixture};

#[tokio::test]
async fn result_is_the_same_bytes_after_a_crash_in_both_revisions() {
    let fixture = fixture();
    let arguments = json!({ "name": "Ada", "place": { "city": "Zürich", "floors": [3, -1] } });
    let header = [("idempotency-key", KEY)];
    let mut first: Option<(String, Value, Value)> = None;
    for revision in [Revision::November2025, Revision::July2026, Revision::November2025] {
        let server = fixture.start(&[]);
        let client = HttpClient::connect(server.url(), revision).await;
        let reply = client.call("greet", &arguments, &header).await;
        let result = &reply.json()["result"];
        let failed = client.call("fails", &json!({}), &header).await;
        let got = (
            reply.structured_bytes().to_owned(),
            result["content"].clone(),
            failed.json()["result"]["content"].clone(),
        );
        let is_replayed = &result["_meta"]["durable/replayed"];
        match &first {
            None => assert!(is_replayed.is_null(), "{result}"),
            Some(_) => assert_eq!(*is_replayed, true, "{result}"),
        }
        assert_eq!(*first.get_or_insert_with(|| got.clone()), got);
        server.kill();
    }
}

#[tokio::test]
async fn call_made_again_many_times_at_once_waits_for_the_recovered_one() {
    let fixture = fixture();
    let arguments = json!({});
    fixture.kill_at("only.before", "one_step", &arguments, KEY).await;
    let server = fixture.start(&[]);
    fixture.reached("only.before").await;
    let mut calls = tokio::task::JoinSet::new();
    for number in 0..40 {
        let client = Client::http(server.url(), Revision::ALL[number % 2]).await;
        calls.spawn(async move { client.call_keyed("one_step", &json!({}), KEY).await });
    }
    // None is answered while a call that came after them is.
    let other = Client::http(server.url(), Revision::November2025).await;
    other.value("one_step", &json!({ "label": "other" })).await;
    assert!(calls.try_join_next().is_none());
    fixture.release("only.before");
    let mut values = Vec::new();
    while let Some(result) = calls.join_next().await {
        let result = result.expect("no panic").expect("the call is answered");
        values.push(structured(&result));
    }
    assert_eq!(values.len(), 40);
    assert!(values.iter().all(|value| *value == values[0]), "{values:?}");
    assert_eq!(fixture.counts()["only"], 1);
}

#[tokio::test]
async fn key_that_was_used_with_other_arguments_is_a_conflict_after_a_crash() {
    let fixture = fixture();
    fixture.kill_at("only.before", "one_step", &json!({}), KEY).await;
    let server = fixture.start(&[]);
    fixture.reached("only.before").await;
    let client = Client::http(server.url(), Revision::November2025).await;
    let other = json!({ "label": "other" });
    let conflict = async || {
        let refused = refusal(client.call_keyed("one_step", &other, KEY).await);
        let data = refused.data.expect("the error has data");
        assert_eq!(data["type"], "idempotency_key_conflict", "{data}");
    };
    conflict().await;
    fixture.release("only.before");
    client.value_keyed("one_step", &json!({}), KEY).await;
    conflict().await;
    assert_eq!(fixture.seen(), ["only 1"]);
}
