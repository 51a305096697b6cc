//! Several servers on one store: clients whose calls go through another process, and what becomes of them when it goes.

use std::collections::HashMap;
use std::sync::Arc;

use durable_tests::{Client, Fixture, Revision, structured};
use serde_json::{Value, json};

use crate::fixture;

/// Some clients, each with a process of its own; the first has the store.
async fn clients(fixture: &Fixture, count: usize, revision: Revision) -> Vec<Arc<Client>> {
    let mut clients = Vec::new();
    for _ in 0..count {
        clients.push(Arc::new(Client::shared(fixture, revision).await));
    }
    clients
}

/// Begins a call whose step has this label.
fn begin(client: &Arc<Client>, tool: &'static str, label: &str) -> tokio::task::JoinHandle<Value> {
    let (client, arguments) = (Arc::clone(client), json!({ "label": label }));
    tokio::spawn(async move {
        let result = client.call(tool, &arguments).await.expect("the call is answered");
        if result.is_error == Some(true) { json!("in doubt") } else { structured(&result) }
    })
}

#[tokio::test]
async fn every_process_on_a_store_answers_its_own_client() {
    for revision in Revision::ALL {
        let fixture = fixture();
        let clients = clients(&fixture, 3, revision).await;
        let mut numbers = Vec::new();
        for (index, client) in clients.iter().enumerate() {
            assert!(!client.tools().await.is_empty());
            numbers
                .push(client.value("one_step", &json!({ "label": format!("step-{index}") })).await["number"].clone());
        }
        assert_eq!(fixture.seen(), ["step-0 1", "step-1 1", "step-2 1"]);
        numbers.dedup();
        assert_eq!(numbers.len(), 3);
    }
}

#[tokio::test]
async fn calls_through_two_relays_are_answered_once_each_after_the_owner_was_killed_in_their_steps() {
    for revision in Revision::ALL {
        let fixture = fixture();
        let clients = clients(&fixture, 3, revision).await;
        let mut calls = Vec::new();
        for (index, client) in clients.iter().enumerate().skip(1) {
            for (tool, point) in [("one_step", "before"), ("charge", "after"), ("charge", "before")] {
                let label = format!("{tool}-{point}-{index}");
                fixture.hold(&format!("{label}.{point}"));
                calls.push((begin(client, tool, &label), label.clone()));
                fixture.reached(&format!("{label}.{point}")).await;
            }
        }
        clients[0].kill_server();
        for index in [1, 2] {
            for (tool, point) in [("one_step", "before"), ("charge", "after"), ("charge", "before")] {
                fixture.release(&format!("{tool}-{point}-{index}.{point}"));
            }
        }
        let mut expected = HashMap::new();
        for (call, label) in calls {
            let value = call.await.expect("no panic");
            if label.starts_with("one_step") {
                assert_eq!(value["attempt"], 1, "{label}");
                expected.insert(label, 1);
            } else {
                assert_eq!(value, "in doubt", "{label}");
                if label.contains("after") {
                    expected.insert(label, 1);
                }
            }
        }
        assert_eq!(fixture.counts(), expected);
        // Both go on with their clients.
        for (index, client) in clients.iter().enumerate().skip(1) {
            client.value("one_step", &json!({ "label": format!("later-{index}") })).await;
        }
    }
}
