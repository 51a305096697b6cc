//! A process is killed before, in and after a step.

use durable_tests::{Client, Revision, text};
use serde_json::json;

use crate::{KEY, fixture};

#[tokio::test]
async fn at_least_once_step_is_made_after_crash_before_its_effect_with_nobody_calling() {
    let fixture = fixture();
    fixture.kill_at("only.before", "one_step", &json!({}), KEY).await;
    assert!(fixture.effects().is_empty());
    fixture.release("only.before");
    let server = fixture.start(&[]);
    fixture.effects_reach(1).await;
    let client = Client::http(server.url(), Revision::July2026).await;
    let receipt = client.value_keyed("one_step", &json!({}), KEY).await;
    assert_eq!(receipt["attempt"], 1);
    assert_eq!(fixture.seen(), ["only 1"]);
}

#[tokio::test]
async fn at_least_once_step_is_made_again_after_crash_after_its_effect() {
    let fixture = fixture();
    fixture.kill_at("only.after", "one_step", &json!({}), KEY).await;
    fixture.release("only.after");
    let server = fixture.start(&[]);
    fixture.effects_reach(2).await;
    let client = Client::http(server.url(), Revision::July2026).await;
    // The crash is no failure of the step: the attempt in its place has its number.
    let receipt = client.value_keyed("one_step", &json!({}), KEY).await;
    assert_eq!(receipt["attempt"], 1);
    assert_eq!(fixture.seen(), ["only 1", "only 1"]);
}

#[tokio::test]
async fn step_with_an_outcome_is_not_repeated_after_crash_before_the_next() {
    let fixture = fixture();
    fixture.kill_at("second.before", "two_steps", &json!({}), KEY).await;
    assert_eq!(fixture.seen(), ["first 1"]);
    fixture.release("second.before");
    let server = fixture.start(&[]);
    let client = Client::http(server.url(), Revision::November2025).await;
    client.value_keyed("two_steps", &json!({}), KEY).await;
    assert_eq!(fixture.seen(), ["first 1", "second 1"]);
}

#[tokio::test]
async fn call_without_a_key_goes_on_with_nobody_calling() {
    let fixture = fixture();
    fixture.hold("only.before");
    let server = fixture.start(&[]);
    let client = Client::http(server.url(), Revision::November2025).await;
    let call = tokio::spawn(async move { client.call("one_step", &json!({})).await });
    fixture.reached("only.before").await;
    server.kill();
    call.abort();
    fixture.release("only.before");
    let server = fixture.start(&[]);
    fixture.effects_reach(1).await;
    server.kill();
    assert_eq!(fixture.seen(), ["only 1"]);
}

#[tokio::test]
async fn at_most_once_step_is_in_doubt_and_not_made_after_crash_before_its_effect() {
    let fixture = fixture();
    fixture.kill_at("charge.before", "charge_and_tell", &json!({}), KEY).await;
    fixture.release("charge.before");
    let server = fixture.start(&[]);
    fixture.effects_reach(1).await;
    let client = Client::http(server.url(), Revision::July2026).await;
    let told = client.value_keyed("charge_and_tell", &json!({}), KEY).await;
    assert_eq!(told, json!({ "status": "in_doubt", "step": "charge", "attempt": 1 }));
    assert_eq!(fixture.seen(), ["tell 1"]);
}

#[tokio::test]
async fn at_most_once_step_is_in_doubt_and_not_repeated_after_crash_after_its_effect() {
    let fixture = fixture();
    fixture.kill_at("charge.after", "charge_and_tell", &json!({}), KEY).await;
    fixture.release("charge.after");
    let server = fixture.start(&[]);
    let client = Client::http(server.url(), Revision::November2025).await;
    let told = client.value_keyed("charge_and_tell", &json!({}), KEY).await;
    assert_eq!(told, json!({ "status": "in_doubt", "step": "charge", "attempt": 1 }));
    assert_eq!(fixture.seen(), ["charge 1", "tell 1"]);
}

#[tokio::test]
async fn step_in_doubt_stays_in_doubt_over_further_crashes() {
    let fixture = fixture();
    let arguments = json!({});
    for point in ["charge.after", "tell.before", "tell.after"] {
        fixture.kill_at(point, "charge_and_tell", &arguments, KEY).await;
        fixture.release(point);
    }
    let server = fixture.start(&[]);
    let client = Client::http(server.url(), Revision::November2025).await;
    let told = client.value_keyed("charge_and_tell", &arguments, KEY).await;
    assert_eq!(told["status"], "in_doubt", "{told}");
    assert_eq!(fixture.seen(), ["charge 1", "tell 1", "tell 1"]);
}

#[tokio::test]
async fn at_most_once_step_is_not_repeated_after_crash_before_its_outcome_is_durable() {
    let fixture = fixture();
    // The body has the outcome in hand, and no batch with it was committed.
    fixture.kill_at("body", "charge_seen_by_body", &json!({}), KEY).await;
    assert_eq!(fixture.seen(), ["charge 1"]);
    fixture.release("body");
    let server = fixture.start(&[]);
    let client = Client::http(server.url(), Revision::November2025).await;
    let told = client.value_keyed("charge_seen_by_body", &json!({}), KEY).await;
    assert_eq!(told["status"], "in_doubt", "{told}");
    assert_eq!(fixture.seen(), ["charge 1"]);
}

#[tokio::test]
async fn error_of_a_step_in_doubt_reaches_the_client_when_the_body_passes_it_on() {
    let fixture = fixture();
    fixture.kill_at("charge.after", "charge", &json!({}), KEY).await;
    fixture.release("charge.after");
    let server = fixture.start(&[]);
    for revision in Revision::ALL {
        let client = Client::http(server.url(), revision).await;
        let result = client.call_keyed("charge", &json!({}), KEY).await;
        let result = result.expect("the call is answered");
        assert_eq!(result.is_error, Some(true));
        assert!(
            text(&result).starts_with("in doubt: attempt 1 of the at-most-once step `charge` was started"),
            "{}",
            text(&result)
        );
    }
    assert_eq!(fixture.seen(), ["charge 1"]);
}
