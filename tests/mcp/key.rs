//! Idempotency keys, in `_meta` and in the header.

use durable_tests::{HttpClient, Reply, Revision, refusal, structured};
use serde_json::{Value, json};

use crate::{Connected, fixture};

#[tokio::test]
async fn call_made_again_with_its_key_gives_the_same_result_and_says_so() {
    for connected in Connected::all().await {
        let client = &connected.client;
        let call = async || {
            let result = client.call_keyed("charge", &json!({}), "key").await;
            result.expect("the call is answered")
        };
        let (first, again) = (call().await, call().await);
        assert_eq!(structured(&first), structured(&again), "{connected}");
        let meta = |result: &rmcp::model::CallToolResult| {
            let meta = serde_json::to_value(&result.meta).expect("JSON");
            (meta["durable/replayed"].clone(), meta["durable/invocation"].clone())
        };
        let (first, again) = (meta(&first), meta(&again));
        assert_eq!((first.0, again.0), (Value::Null, json!(true)), "{connected}");
        assert_eq!(first.1, again.1, "{connected}");
        assert_eq!(connected.fixture.seen(), ["charge 1"], "{connected}");
        connected.close().await;
    }
}

#[tokio::test]
async fn call_without_a_key_is_made_each_time() {
    for connected in Connected::all().await {
        let first = connected.client.value("charge", &json!({})).await;
        let second = connected.client.value("charge", &json!({})).await;
        assert_ne!(first, second, "{connected}");
        assert_eq!(connected.fixture.seen(), ["charge 1", "charge 1"], "{connected}");
        connected.close().await;
    }
}

#[tokio::test]
async fn key_used_with_other_arguments_is_a_conflict() {
    for connected in Connected::all().await {
        let client = &connected.client;
        client.value_keyed("charge", &json!({ "label": "a" }), "key").await;
        let answer = client.call_keyed("charge", &json!({ "label": "b" }), "key").await;
        let refused = refusal(answer);
        assert_eq!(refused.data.expect("data")["type"], "idempotency_key_conflict", "{connected}");
        assert_eq!(connected.fixture.seen(), ["a 1"], "{connected}");
        connected.close().await;
    }
}

#[tokio::test]
async fn key_belongs_to_one_tool() {
    for connected in Connected::all().await {
        let client = &connected.client;
        client.value_keyed("charge", &json!({}), "key").await;
        client.value_keyed("one_step", &json!({}), "key").await;
        assert_eq!(connected.fixture.seen(), ["charge 1", "only 1"], "{connected}");
        connected.close().await;
    }
}

fn value(reply: &Reply) -> Value {
    let json = reply.json();
    assert_eq!(reply.status, 200, "{json}");
    json["result"]["structuredContent"].clone()
}

#[tokio::test]
async fn key_in_the_header_and_in_meta_is_the_same_key() {
    for revision in Revision::ALL {
        let fixture = fixture();
        let server = fixture.start(&[]);
        let client = HttpClient::connect(server.url(), revision).await;
        let arguments = json!({});
        let meta = json!({ "durable/idempotency-key": "key" });
        let header = [("idempotency-key", "key")];
        let quoted = [("idempotency-key", "\"key\"")];
        let first = value(&client.call("charge", &arguments, &header).await);
        assert!(first["number"].is_string(), "{first}");
        assert_eq!(value(&client.call("charge", &arguments, &quoted).await), first);
        let in_meta = client.call_with_meta("charge", &arguments, meta.clone(), &[]).await;
        assert_eq!(value(&in_meta), first);
        let in_both = client.call_with_meta("charge", &arguments, meta, &header).await;
        assert_eq!(value(&in_both), first);
        assert_eq!(in_both.json()["result"]["_meta"]["durable/replayed"], true);
        assert_eq!(fixture.seen(), ["charge 1"], "{revision:?}");
        server.stop().await;
    }
}

#[tokio::test]
async fn key_of_a_client_is_ignored_by_a_tool_that_derives_its_own() {
    for connected in Connected::all().await {
        let client = &connected.client;
        let first = client.value_keyed("pay_order", &json!({ "orderId": "7" }), "a").await;
        let again = client.call_keyed("pay_order", &json!({ "orderId": "7" }), "b").await.expect("an answer");
        assert_eq!(structured(&again), first, "{connected}");
        assert_eq!(serde_json::to_value(&again.meta).expect("JSON")["durable/replayed"], true, "{connected}");
        let other = client.value_keyed("pay_order", &json!({ "orderId": "8" }), "a").await;
        assert_ne!(other, first, "{connected}");
        assert_eq!(connected.fixture.seen(), ["7 1", "8 1"], "{connected}");
        connected.close().await;
    }
    // One that is no key at all, in the header.
    for revision in Revision::ALL {
        let fixture = fixture();
        let server = fixture.start(&[]);
        let client = HttpClient::connect(server.url(), revision).await;
        value(&client.call("pay_order", &json!({ "orderId": "7" }), &[("idempotency-key", "\"broken")]).await);
        server.stop().await;
    }
}

#[tokio::test]
async fn keys_that_differ_or_cannot_be_read_are_invalid_params() {
    for revision in Revision::ALL {
        let fixture = fixture();
        let server = fixture.start(&[]);
        let client = HttpClient::connect(server.url(), revision).await;
        let meta = json!({ "durable/idempotency-key": "key" });
        let cases: [(Value, &[(&str, &str)]); 4] = [
            (meta.clone(), &[("idempotency-key", "other")]),
            (json!({}), &[("idempotency-key", "\"key")]),
            (json!({}), &[("idempotency-key", "")]),
            (json!({}), &[("idempotency-key", "a"), ("idempotency-key", "b")]),
        ];
        for (meta, headers) in cases {
            let reply = client.call_with_meta("charge", &json!({}), meta, headers).await;
            let error = &reply.json()["error"];
            assert_eq!(error["code"], -32602, "{revision:?} {headers:?}: {error}");
            assert_eq!(error["data"]["type"], "idempotency_key_invalid", "{revision:?} {headers:?}");
        }
        assert!(fixture.effects().is_empty());
        server.stop().await;
    }
}
