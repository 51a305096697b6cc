//! A process is killed around every commit of a call that writes seven tables.

use std::os::unix::process::ExitStatusExt as _;

use durable_runtime::{AuditLog, AuditQuery, SortedMap, Store};
use durable_tests::{Client, Fixture, Revision};
use serde_json::json;

use crate::{KEY, fixture};

const IN_STEP: [SortedMap<String>; 3] = [SortedMap::new("step-1"), SortedMap::new("step-2"), SortedMap::new("step-3")];
const IN_TRANSACTION: [SortedMap<String>; 3] = [SortedMap::new("tx-1"), SortedMap::new("tx-2"), SortedMap::new("tx-3")];
const IN_BODY: SortedMap<String> = SortedMap::new("body");
const LOG: AuditLog = AuditLog::new("kept");

/// What is under the key in each of some tables.
async fn texts(store: &Store, tables: &[SortedMap<String>]) -> Vec<Option<String>> {
    let mut texts = Vec::new();
    for table in tables {
        texts.push(table.get(store, "key").await.expect("the table can be read"));
    }
    texts
}

/// How much of the call there is: nothing, its step, its transaction too, its body too. All of each or none.
async fn progress(store: &Store) -> usize {
    let (step, transaction) = (texts(store, &IN_STEP).await, texts(store, &IN_TRANSACTION).await);
    let body = texts(store, &[IN_BODY]).await;
    let units = [step, transaction, body];
    for unit in &units {
        assert!(unit.iter().all(|text| *text == unit[0]), "a unit is there in part: {units:?}");
    }
    let progress = units.iter().take_while(|unit| unit[0].is_some()).count();
    assert!(units.iter().skip(progress).all(|unit| unit[0].is_none()), "later ones came before: {units:?}");
    progress
}

/// Lets the server die there in a call; `false` when it ends before. Gives how much of the call there was then.
async fn die_at(fixture: &Fixture, death: &str) -> Option<usize> {
    let server = fixture.start(&["--die", death]);
    let client = Client::http(server.url(), Revision::July2026).await;
    let called = client.call_keyed("keep_everywhere", &json!({}), KEY).await;
    if called.is_ok() {
        server.kill();
        return None;
    }
    let status = server.end().await;
    assert_eq!(status.signal(), Some(9), "the server ended with {status}");
    let store = Store::open(fixture.store()).await.expect("the store can be opened");
    let progress = progress(&store).await;
    let entries =
        LOG.query(&store, AuditQuery { limit: 10, ..AuditQuery::default() }).await.expect("the log can be read");
    assert!(entries.entries.is_empty() || progress == 3, "an entry of a call that has not ended");
    store.close().await;
    Some(progress)
}

#[tokio::test]
async fn what_belongs_together_is_there_together_wherever_the_process_is_killed() {
    let mut seen = Vec::new();
    for when in ["before", "after"] {
        let mut number = 1;
        loop {
            let fixture = fixture();
            let Some(progress) = die_at(&fixture, &format!("{when}:{number}")).await else { break };
            seen.push(progress);
            let server = fixture.start(&[]);
            let client = Client::http(server.url(), Revision::July2026).await;
            let kept = client.value_keyed("keep_everywhere", &json!({}), KEY).await;
            server.stop().await;
            let store = Store::open(fixture.store()).await.expect("the store can be opened");
            let text = kept["text"].as_str().map(str::to_owned);
            let all = [IN_STEP.as_slice(), &IN_TRANSACTION, &[IN_BODY]].concat();
            assert!(
                texts(&store, &all).await.iter().all(|there| *there == text),
                "{when}:{number}: not the outcome's text"
            );
            let query = AuditQuery { limit: 10, ..AuditQuery::default() };
            let entries = LOG.query(&store, query).await.expect("the log can be read").entries;
            assert_eq!(entries.len(), 1, "{when}:{number}: {entries:?}");
            store.close().await;
            // A step that was done is not done again; one attempt more is made for each that was cut off.
            let attempts = fixture.effects().len();
            assert!((2..=3).contains(&attempts), "{when}:{number}: {attempts} attempts");
            number += 1;
            assert!(number <= 20, "a call has no end of commits");
        }
        assert!(number > 4, "{when}: only {number} commits");
    }
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen, [0, 2, 3], "not every boundary was met: the outcome and the transaction are one commit");
}
