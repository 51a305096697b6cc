//! Several servers on one store: clients whose calls go through another process, and what becomes of them when it goes.

use std::collections::{HashMap, HashSet};
use std::ops::Bound;
use std::sync::Arc;

use durable_runtime::store::{Keyspace, Read as _, Scan};
use durable_tests::{Client, Fixture, Revision, answered, eventually, structured};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use crate::{KEY, commits, commits_reach, fixture};

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

#[tokio::test]
async fn hundred_calls_at_once_through_a_relay_are_each_answered_with_their_own_result() {
    let fixture = fixture();
    let clients = clients(&fixture, 2, Revision::November2025).await;
    let calls: Vec<_> = (0..100).map(|call| begin(&clients[1], "charge", &format!("charge-{call}"))).collect();
    let mut numbers = HashSet::new();
    for call in calls {
        numbers.insert(call.await.expect("no panic")["number"].to_string());
    }
    assert_eq!(numbers.len(), 100);
    assert!(fixture.counts().len() == 100 && fixture.effects().len() == 100);
}

#[tokio::test]
async fn calls_at_once_through_relays_are_answered_once_each_however_many_owners_are_killed() {
    let fixture = fixture();
    let clients = clients(&fixture, 4, Revision::November2025).await;
    let mut gone = Vec::new();
    for round in 0..3 {
        let mut calls = Vec::new();
        for call in 0..40 {
            for client in clients.iter().filter(|client| !gone.contains(&client.server_id())) {
                let server = client.server_id();
                let label = format!("{round}-{call}-{}", server.unwrap_or(0));
                let (client, arguments) = (Arc::clone(client), json!({ "label": label }));
                calls.push((server, label, tokio::spawn(async move { client.call("charge", &arguments).await })));
            }
        }
        // In the middle of them.
        fixture.effects_reach(fixture.effects().len() + 20).await;
        let killed = Some(fixture.kill_owner());
        gone.push(killed);
        for (server, label, call) in calls {
            let answer = call.await.expect("no panic");
            if server == killed {
                // It had no other process to go on with.
                continue;
            }
            let result = answer.unwrap_or_else(|error| panic!("{label}: {error}"));
            let is_in_doubt = result.is_error == Some(true);
            let count = fixture.counts().get(&label).copied().unwrap_or(0);
            assert!(count == 1 || (is_in_doubt && count == 0), "{label} had {count} effects: {result:?}");
        }
    }
    assert!(fixture.counts().values().all(|count| *count == 1), "{:?}", fixture.counts());
}

/// A call through a relay, held in the first of two steps, while the owner stops cleanly.
async fn stop_cleanly(fixture: &Fixture, stop: impl AsyncFnOnce()) {
    fixture.hold("first.after");
    let client = Arc::new(Client::shared(fixture, Revision::November2025).await);
    let call = tokio::spawn({
        let client = Arc::clone(&client);
        async move { client.value("two_steps", &json!({})).await }
    });
    fixture.reached("first.after").await;
    tokio::join!(stop(), async {
        eventually("the end of the socket", async || (!fixture.socket().exists()).then_some(())).await;
        fixture.release("first.after");
    });
    let receipts = call.await.expect("no panic");
    assert_eq!(receipts["second"]["attempt"], 1, "{receipts}");
    assert_eq!(fixture.seen(), ["first 1", "second 1"]);
    client.value("one_step", &json!({})).await;
}

#[tokio::test]
async fn a_call_through_a_relay_gets_its_result_when_the_window_of_the_owner_is_closed() {
    let fixture = fixture();
    let owner = Client::shared(&fixture, Revision::November2025).await;
    stop_cleanly(&fixture, async || owner.close().await).await;
}

#[tokio::test]
async fn a_call_through_a_relay_gets_its_result_when_the_owner_is_told_to_stop() {
    let fixture = fixture();
    let owner = Client::shared(&fixture, Revision::November2025).await;
    stop_cleanly(&fixture, async || owner.ask_server_to_stop()).await;
}

#[tokio::test]
async fn a_call_through_a_relay_gets_its_result_when_an_owner_that_serves_http_stops() {
    let fixture = fixture();
    let owner = fixture.start(&[]);
    stop_cleanly(&fixture, async || owner.stop().await).await;
}

#[tokio::test]
async fn relayed_call_costs_no_commit_of_its_own_and_leaves_nothing_behind() {
    let fixture = fixture();
    let owner = fixture.start(&[]);
    let client = Client::shared(&fixture, Revision::November2025).await;
    // The connection has a row, which is written in the background; wait for it before counting.
    client.value("one_step", &json!({})).await;
    commits_reach(&owner, 3).await;
    let before = commits(&owner).await;
    client.value_keyed("one_step", &json!({}), KEY).await;
    assert_eq!(commits(&owner).await - before, 2, "an admission and an outcome");
    client.value_keyed("one_step", &json!({}), KEY).await;
    assert_eq!(commits(&owner).await - before, 2, "nothing new happened");
    client.close().await;
    commits_reach(&owner, before + 3).await;
    owner.stop().await;
    let store = durable_runtime::store::open(fixture.store()).await.expect("the store opens");
    for keyspace in [Keyspace::Session, Keyspace::Stream] {
        let (lower, upper) = (Bound::Unbounded, Bound::Unbounded);
        let rows = store.scan(Scan { keyspace, lower, upper, descending: false, limit: 10 }).await;
        assert_eq!(rows.expect("the store is read"), [], "{keyspace:?}");
    }
}

#[tokio::test]
async fn whoever_sends_garbage_to_the_socket_harms_nobody() {
    let fixture = fixture();
    let clients = clients(&fixture, 2, Revision::November2025).await;
    let hello = |server: &str| {
        let connection = uuid::Uuid::new_v4();
        format!("{}\n", json!({ "durable/relay": 1, "connection": connection, "server": server, "build": "0" }))
    };
    let initialize = hello("durable-test-server") + "{\"jsonrpc\":\"2.0\",\"method\":\"garbage\"}\n";
    let huge = "x".repeat(1 << 20);
    // One that says nothing, and stays.
    let silent = UnixStream::connect(fixture.socket()).await.expect("the owner listens");
    for (garbage, reply) in [
        ("\0\u{1}garbage\n".to_owned(), ""),
        (huge.clone(), ""),
        (format!("{huge}\n"), ""),
        ("{}\n".to_owned(), ""),
        (hello("another-server"), "refused"),
        (initialize, "failed"),
    ] {
        let mut stream = UnixStream::connect(fixture.socket()).await.expect("the owner listens");
        let _cut_off = stream.write_all(garbage.as_bytes()).await;
        let _cut_off = stream.shutdown().await;
        let mut said = Vec::new();
        let _cut_off = answered("the end of the connection", stream.read_to_end(&mut said)).await;
        let said = String::from_utf8(said).expect("text");
        assert!(said.contains(reply) && (!reply.is_empty() || said.is_empty()), "{said}");
    }
    for client in &clients {
        client.value("one_step", &json!({})).await;
    }
    drop(silent);
    // Nor does what is left of an owner.
    clients[0].kill_server();
    clients[1].value("one_step", &json!({})).await;
}
