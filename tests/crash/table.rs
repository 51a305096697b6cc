//! A process is killed around writes to tables.

use durable_tests::{Client, Revision};
use serde_json::json;

use crate::{KEY, fixture};

#[tokio::test]
async fn table_writes_of_a_step_are_there_if_and_only_if_its_outcome_is() {
    let fixture = fixture();
    let arguments = json!({ "keys": ["a", "b", "c"] });
    fixture.kill_at("keep.after", "keep_notes", &arguments, KEY).await;
    // The recovered attempt is held before its end too: nothing of either may be seen.
    let server = fixture.start(&[]);
    fixture.reached("keep.after").await;
    let client = Client::http(server.url(), Revision::July2026).await;
    assert_eq!(client.value("notes", &json!({})).await["notes"], json!({}));
    fixture.release("keep.after");
    let kept = client.value_keyed("keep_notes", &arguments, KEY).await;
    let text = &kept["text"];
    let notes = client.value("notes", &json!({})).await;
    assert_eq!(notes["notes"], json!({ "a": text, "b": text, "c": text }));
    assert_eq!(fixture.seen(), ["keep 1", "keep 1"]);
    server.kill();

    let server = fixture.start(&[]);
    let client = Client::http(server.url(), Revision::July2026).await;
    assert_eq!(client.value("notes", &json!({})).await, notes);
}

#[tokio::test]
async fn table_writes_of_a_step_agree_with_its_outcome_after_a_crash_under_load() {
    let fixture = fixture();
    let keys = |call: usize| json!({ "keys": [format!("{call}-left"), format!("{call}-right")] });
    let server = fixture.start(&[]);
    let mut calls = tokio::task::JoinSet::new();
    for call in 0..40 {
        let client = Client::http(server.url(), Revision::July2026).await;
        calls.spawn(async move { client.call_keyed("keep_notes", &keys(call), &call.to_string()).await });
    }
    fixture.effects_reach(15).await;
    server.kill();
    calls.abort_all();

    let server = fixture.start(&[]);
    let client = Client::http(server.url(), Revision::July2026).await;
    let mut expected = serde_json::Map::new();
    for call in 0..40 {
        let kept = client.value_keyed("keep_notes", &keys(call), &call.to_string()).await;
        expected.insert(format!("{call}-left"), kept["text"].clone());
        expected.insert(format!("{call}-right"), kept["text"].clone());
    }
    let notes = client.value("notes", &json!({})).await;
    assert_eq!(notes["notes"], serde_json::Value::Object(expected));
}

#[tokio::test]
async fn table_operations_of_a_body_are_made_exactly_once_over_crashes() {
    let fixture = fixture();
    let arguments = json!({ "times": 3 });
    let points = ["read-0", "written-0", "pause-0.after", "read-1", "written-1", "pause-1.before", "written-2"];
    for point in points {
        fixture.kill_at(point, "count_up", &arguments, KEY).await;
        fixture.release(point);
    }
    let server = fixture.start(&[]);
    let client = Client::http(server.url(), Revision::November2025).await;
    let counted = client.value_keyed("count_up", &arguments, KEY).await;
    assert_eq!(counted, json!({ "seen": [0, 1, 2] }));
    assert_eq!(client.value("notes", &json!({})).await["count"], 3);
    // It was killed in the step's end, and then before the step's outcome was durable: a read makes nothing durable.
    assert_eq!(fixture.counts()["pause-0"], 3);
    assert_eq!(fixture.counts()["pause-1"], 1);
}
