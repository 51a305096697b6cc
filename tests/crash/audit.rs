//! A process is killed around the end of an audited call.

use std::collections::BTreeMap;

use durable_tests::{Client, Revision, eventually};
use serde_json::{Value, json};

use crate::{KEY, fixture};

/// The entries of the log: those that calls made of themselves, and those of their ends.
async fn entries(client: &Client) -> (Vec<Value>, Vec<Value>) {
    let page = client.value("charges", &json!({})).await;
    page["entries"].as_array().expect("a list").iter().cloned().partition(|entry| entry["begun"].is_string())
}

#[tokio::test]
async fn call_that_is_killed_around_its_end_leaves_one_entry() {
    let fixture = fixture();
    let arguments = json!({ "label": "charge" });
    for point in ["charge.after", "end", "end"] {
        fixture.kill_at(point, "audited", &arguments, KEY).await;
        fixture.release(point);
    }
    for revision in Revision::ALL {
        let server = fixture.start(&[]);
        let client = Client::http(server.url(), revision).await;
        let receipt = client.value_keyed("audited", &arguments, KEY).await;
        let (begun, ended) = entries(&client).await;
        assert_eq!((begun.len(), ended.len()), (1, 1), "{begun:?} {ended:?}");
        assert_eq!((&ended[0]["outputs"], &ended[0]["inputs"]), (&receipt, &arguments));
        assert_eq!(begun[0]["invocation"], ended[0]["invocation"]);
        server.kill();
    }
}

#[tokio::test]
async fn calls_that_are_killed_while_they_end_leave_one_entry_each() {
    const CALLS: usize = 40;
    let fixture = fixture();
    let server = fixture.start(&[]);
    let mut calls = tokio::task::JoinSet::new();
    for call in 0..CALLS {
        let client = Client::http(server.url(), Revision::July2026).await;
        let arguments = json!({ "label": call.to_string() });
        calls.spawn(async move { client.call_keyed("audited", &arguments, &call.to_string()).await });
    }
    let client = Client::http(server.url(), Revision::July2026).await;
    eventually("an entry", async || (!entries(&client).await.1.is_empty()).then_some(())).await;
    server.kill();
    calls.abort_all();

    let server = fixture.start(&[]);
    let client = Client::http(server.url(), Revision::July2026).await;
    let mut expected = BTreeMap::new();
    for call in 0..CALLS {
        let arguments = json!({ "label": call.to_string() });
        let receipt = client.value_keyed("audited", &arguments, &call.to_string()).await;
        expected.insert(call.to_string(), receipt);
    }
    let (begun, ended) = entries(&client).await;
    assert_eq!((begun.len(), ended.len()), (CALLS, CALLS));
    let label = |entry: &Value| entry["inputs"]["label"].as_str().expect("a label").to_owned();
    let found: BTreeMap<_, _> = ended.iter().map(|entry| (label(entry), entry["outputs"].clone())).collect();
    assert_eq!(found, expected);
}
