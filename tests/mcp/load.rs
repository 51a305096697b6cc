//! Many calls at once.

use std::collections::HashSet;

use durable_tests::{HttpClient, Revision, allow_many_files};
use serde_json::json;
use tokio::task::JoinSet;

use crate::fixture;

const CALLS: usize = 1000;

/// Makes a thousand calls at once, each with the key that its number gives, and gives their values.
async fn thousand(url: &str, revision: Revision, key: fn(usize) -> String) -> Vec<String> {
    let client = HttpClient::connect(url, revision).await;
    let mut calls = JoinSet::new();
    for call in 0..CALLS {
        let client = client.clone();
        calls.spawn(async move {
            let reply = client.call("charge", &json!({}), &[("idempotency-key", &key(call))]).await;
            let json = reply.json();
            let number = json["result"]["structuredContent"]["number"].as_str();
            number.unwrap_or_else(|| panic!("{json}")).to_owned()
        });
    }
    calls.join_all().await
}

#[tokio::test]
async fn thousand_calls_with_keys_of_their_own_all_succeed() {
    for revision in Revision::ALL {
        allow_many_files();
        let fixture = fixture();
        let server = fixture.start(&[]);
        let numbers = thousand(server.url(), revision, |call| call.to_string()).await;
        let different: HashSet<_> = numbers.into_iter().collect();
        assert_eq!(different.len(), CALLS);
        let invocations: HashSet<_> = fixture.effects().into_iter().map(|effect| effect.invocation).collect();
        assert_eq!((fixture.effects().len(), invocations.len()), (CALLS, CALLS));
        server.stop().await;
    }
}

#[tokio::test]
async fn thousand_calls_with_one_key_are_one_execution() {
    for revision in Revision::ALL {
        allow_many_files();
        let fixture = fixture();
        let server = fixture.start(&[]);
        let numbers = thousand(server.url(), revision, |_| "key".to_owned()).await;
        let different: HashSet<_> = numbers.into_iter().collect();
        assert_eq!(different.len(), 1);
        assert_eq!(fixture.seen(), ["charge 1"]);
        server.stop().await;
    }
}
