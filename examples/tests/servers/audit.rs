//! The example `audit`: one entry for each call, whatever happens to the server.

use durable_examples::{
    client::{Client, structured_content},
    flags::Revision,
    witness::ATTEMPT_BEGINS,
};
use serde_json::{Value, json};

use super::{AUDIT, Fixture, call};

async fn entries(url: &str, arguments: &Value) -> Vec<Value> {
    let client = Client::connect(url, Revision::July2026).await.expect("the server answers");
    let result = client.request("get_audit_log", arguments, None).await.expect("the call is answered");
    client.close().await;
    let log = structured_content("get_audit_log", &result).expect("the result is no error");
    log["entries"].as_array().expect("the entries are an array").clone()
}

#[tokio::test]
async fn call_that_is_killed_in_its_step_leaves_one_entry() {
    let fixture = Fixture::of(AUDIT);
    // Far longer than this test: the attempt is still before its effect when the kill comes.
    let mut server = fixture.start(["--slow", "600000"]).await;
    let ada = json!({ "name": "Ada", "email": "ada@example.org" });
    let calling = tokio::spawn({
        let (url, ada) = (server.url().to_owned(), ada.clone());
        async move { call(&url, "create_user", &ada, "created").await }
    });
    server.logged(&[ATTEMPT_BEGINS, "store_user"]).await.expect("the attempt begins");
    server.kill().await.expect("the server can be killed");
    calling.abort();

    let server = fixture.start::<&str>([]).await;
    let created = call(server.url(), "create_user", &ada, "created").await;
    assert_eq!(call(server.url(), "create_user", &ada, "created").await, created);
    let entries = entries(server.url(), &json!({ "log_name": "user_operations" })).await;
    assert_eq!(entries.len(), 1, "{entries:?}");
    assert_eq!((&entries[0]["inputs"], &entries[0]["outputs"]), (&ada, &created));
    fixture.stop_and_validate(server).await;
}

#[tokio::test]
async fn changes_of_a_role_at_once_each_know_the_role_before() {
    const CHANGES: usize = 20;
    let fixture = Fixture::of(AUDIT);
    let server = fixture.start::<&str>([]).await;
    let mut calls = tokio::task::JoinSet::new();
    for n in 0..CHANGES {
        let url = server.url().to_owned();
        calls.spawn(async move {
            let change = json!({ "user_id": "user_1", "updates": { "role": format!("role {n}") } });
            call(&url, "update_user", &change, &uuid::Uuid::new_v4().to_string()).await
        });
    }
    calls.join_all().await;
    let events = entries(server.url(), &json!({ "log_name": "security_events" })).await;
    let mut old: Vec<&str> = events.iter().filter_map(|event| event["old_role"].as_str()).collect();
    old.sort_unstable();
    old.dedup();
    // Each role but the last one was the old one of exactly one change.
    assert_eq!((events.len(), old.len()), (CHANGES, CHANGES), "{events:?}");
    fixture.stop_and_validate(server).await;
}
