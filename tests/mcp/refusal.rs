//! Calls that are refused.

use durable_tests::{refusal, text};
use serde_json::{Value, json};

use crate::Connected;

#[tokio::test]
async fn arguments_that_do_not_fit_are_told_with_their_path_and_nothing_is_admitted() {
    let cases = [
        (json!({}), "\"name\""),
        (json!({ "name": 7 }), "`/name`"),
        (json!({ "name": "x", "more": 1 }), "'more'"),
        (json!({ "name": "x", "times": -1 }), "`/times`"),
        (json!({ "name": "x", "language": "latin" }), "`/language`"),
        (json!({ "name": "x", "place": { "city": "y", "floors": [1, "2"] } }), "`/place"),
    ];
    for connected in Connected::all().await {
        let before = connected.commits().await;
        for (arguments, path) in &cases {
            let result = connected.client.call("greet", arguments).await;
            let result = result.expect("the call is answered");
            assert_eq!(result.is_error, Some(true), "{connected} {arguments}");
            let text = text(&result);
            assert!(text.starts_with("invalid_arguments: "), "{connected} {arguments}: {text}");
            assert!(text.contains(path), "{connected} {arguments}: {text}");
        }
        assert_eq!(connected.commits().await, before, "{connected}");
        connected.close().await;
    }
}

#[tokio::test]
async fn path_of_a_mistake_leads_to_the_innermost_value() {
    for connected in Connected::all().await {
        let arguments = json!({ "name": "x", "place": { "city": "y", "floors": [1, "2"] } });
        let result = connected.client.call("greet", &arguments).await;
        let result = result.expect("the call is answered");
        assert!(text(&result).contains("/place/floors/1"), "{connected}: {}", text(&result));
        connected.close().await;
    }
}

#[tokio::test]
async fn tool_that_is_not_there_is_invalid_params() {
    for connected in Connected::all().await {
        let before = connected.commits().await;
        let refused = refusal(connected.client.call("great", &json!({})).await);
        assert!(refused.message.contains("there is no tool `great`"), "{connected}: {refused}");
        assert!(refused.message.contains("greet"), "{connected}: {refused}");
        assert_eq!(refused.data.expect("data")["type"], "unknown_tool", "{connected}");
        assert_eq!(connected.commits().await, before, "{connected}");
        connected.close().await;
    }
}

#[tokio::test]
async fn key_that_is_no_key_is_invalid_params() {
    for connected in Connected::all().await {
        let before = connected.commits().await;
        for key in [json!(7), json!(""), json!(["a"]), Value::from("x".repeat(256))] {
            let answer = connected.client.request("one_step", &json!({}), Some(key.clone())).await;
            let refused = refusal(answer);
            assert_eq!(refused.data.expect("data")["type"], "idempotency_key_invalid", "{connected} {key}");
        }
        assert_eq!(connected.commits().await, before, "{connected}");
        assert!(connected.fixture.effects().is_empty(), "{connected}");
        connected.close().await;
    }
}

#[tokio::test]
async fn arguments_over_the_limit_are_invalid_params_and_the_server_goes_on() {
    for connected in Connected::all().await {
        let large = json!({ "label": "x".repeat((1 << 20) + 1) });
        let refused = refusal(connected.client.call("one_step", &large).await);
        assert_eq!(refused.data.expect("data")["type"], "arguments_too_large", "{connected}");
        connected.client.value("one_step", &json!({})).await;
        assert_eq!(connected.fixture.seen(), ["only 1"], "{connected}");
        connected.close().await;
    }
}
