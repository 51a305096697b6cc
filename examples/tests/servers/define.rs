//! The example `define`: tables that agree, whenever the server is killed.

use std::collections::BTreeMap;

use durable_examples::{
    client::{Client, structured_content, text},
    flags::Revision,
};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{DEFINE, Fixture, call};

async fn read(client: &Client, tool: &str, arguments: &Value) -> Value {
    let result = client.request(tool, arguments, None).await.expect("the call is answered");
    structured_content(tool, &result).expect("the result is no error")
}

/// Calls a tool that must refuse, and gives what it says.
async fn refused(client: &Client, tool: &str, arguments: &Value) -> String {
    let result = client.request(tool, arguments, None).await.expect("the call is answered");
    assert_eq!(result.is_error, Some(true), "{tool} {arguments}: {result:?}");
    text(&result).expect("the error is a text").to_owned()
}

fn names(terms: &Value) -> Vec<&str> {
    let terms = terms.as_array().expect("the terms are an array");
    terms.iter().map(|term| term["term"].as_str().expect("a term has a name")).collect()
}

fn term(n: usize) -> Value {
    json!({ "term": format!("Term {n:03}"), "definition": "Something.", "category": format!("category {}", n % 3) })
}

#[tokio::test]
async fn tables_agree_after_a_kill_under_load_and_no_term_is_added_twice() {
    const TERMS: usize = 60;
    for revision in [Revision::November2025, Revision::July2026] {
        let fixture = Fixture::of(DEFINE);
        let server = fixture.start::<&str>([]).await;
        let keys: Vec<String> = (0..TERMS).map(|_| uuid::Uuid::new_v4().to_string()).collect();
        let mut calls = JoinSet::new();
        for (n, key) in keys.iter().cloned().enumerate() {
            let url = server.url().to_owned();
            calls.spawn(async move {
                let client = Client::connect(&url, revision).await?;
                client.request("add_term", &term(n), Some(&key)).await
            });
        }
        // Some are answered, the others are anywhere: on their way, admitted, or durable with a lost answer.
        let mut answered = 0;
        while answered < TERMS / 4 {
            let ended = calls.join_next().await.expect("more calls are under way");
            let result = ended.expect("no call panics").expect("the call is answered");
            structured_content("add_term", &result).expect("the result is no error");
            answered += 1;
        }
        server.kill().await.expect("the server can be killed");
        calls.shutdown().await;

        let server = fixture.start::<&str>([]).await;
        let client = Client::connect(server.url(), revision).await.expect("the server answers");
        assert_agreement(&client, answered..=TERMS).await;
        for (n, key) in keys.iter().enumerate() {
            call(server.url(), "add_term", &term(n), key).await;
        }
        assert_agreement(&client, TERMS..=TERMS).await;
        client.close().await;
        fixture.stop_and_validate(server).await;
    }
}

/// Looks whether all three tables have the same terms, each once, and how many.
async fn assert_agreement(client: &Client, expected: std::ops::RangeInclusive<usize>) {
    // Recovery adds what was under way; that is over when two looks at the history are the same.
    let all = json!({ "limit": 1000 });
    let mut recent = read(client, "recent_terms", &all).await;
    let (listed, categories) = loop {
        let listed = read(client, "list_terms", &all).await;
        let mut categories = Vec::new();
        for n in 0..3 {
            let category = json!({ "category": format!("category {n}"), "limit": 1000 });
            categories.push(read(client, "browse_category", &category).await);
        }
        let again = read(client, "recent_terms", &all).await;
        if again == recent {
            break (listed, categories);
        }
        recent = again;
    };
    let mut by_time = names(&recent["recent_terms"]);
    by_time.sort_unstable();
    let by_name = names(&listed["terms"]);
    assert!(expected.contains(&by_name.len()), "{} terms are not {expected:?}", by_name.len());
    assert_eq!(by_time, by_name, "each term was added once");
    let mut by_category: Vec<&str> = categories.iter().flat_map(|category| names(&category["terms"])).collect();
    by_category.sort_unstable();
    assert_eq!(by_category, by_name);
}

#[tokio::test]
async fn term_that_is_added_again_at_once_is_in_one_category() {
    let fixture = Fixture::of(DEFINE);
    let server = fixture.start::<&str>([]).await;
    let client = Client::connect(server.url(), Revision::July2026).await.expect("the server answers");
    // All at once, and each reads what the one before it wrote.
    let categories: Vec<String> = (0..12).map(|n| format!("category {n}")).collect();
    let additions = categories.iter().map(|category| json!({ "term": "Cat", "definition": "-", "category": category }));
    let mut calls = JoinSet::new();
    for addition in additions {
        let url = server.url().to_owned();
        calls.spawn(async move { call(&url, "add_term", &addition, &uuid::Uuid::new_v4().to_string()).await });
    }
    calls.join_all().await;
    let defined = read(&client, "define", &json!({ "term": "cat" })).await;
    let mut found = BTreeMap::new();
    for category in &categories {
        let count = read(&client, "browse_category", &json!({ "category": category })).await["count"].clone();
        found.insert(category.as_str(), count);
    }
    found.retain(|_, count| *count != 0);
    let category = defined["term"]["category"].as_str().expect("a term has a category");
    assert_eq!(found, BTreeMap::from([(category, json!(1))]));
    client.close().await;
    fixture.stop_and_validate(server).await;
}

#[tokio::test]
async fn prefix_is_a_prefix_in_every_script() {
    let fixture = Fixture::of(DEFINE);
    let server = fixture.start::<&str>([]).await;
    let client = Client::connect(server.url(), Revision::July2026).await.expect("the server answers");
    for name in ["Api", "API gateway", "apj", "Ärger", "ΟΔΟΣΑ", "a\u{10ffff}b", "日本", "日本語"] {
        let key = uuid::Uuid::new_v4().to_string();
        call(server.url(), "add_term", &json!({ "term": name, "definition": "-" }), &key).await;
    }
    let cases: [(&str, &[&str]); 7] = [
        ("api", &["Api", "API gateway"]),
        ("A\u{10ffff}", &["a\u{10ffff}b"]),
        ("äR", &["Ärger"]),
        ("ΟΔΟΣ", &["ΟΔΟΣΑ"]),
        ("日本", &["日本", "日本語"]),
        ("z", &[]),
        ("", &["a\u{10ffff}b", "Api", "API gateway", "apj", "Ärger", "ΟΔΟΣΑ", "日本", "日本語"]),
    ];
    for (prefix, expected) in cases {
        let found = read(&client, "search_terms", &json!({ "prefix": prefix })).await;
        let mut found = names(&found["terms"]);
        let mut expected = expected.to_vec();
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(found, expected, "{prefix}");
    }
    client.close().await;
    fixture.stop_and_validate(server).await;
}

#[tokio::test]
async fn limit_out_of_bounds_and_a_category_with_nul_are_refused_with_a_reason() {
    let fixture = Fixture::of(DEFINE);
    let server = fixture.start::<&str>([]).await;
    let client = Client::connect(server.url(), Revision::July2026).await.expect("the server answers");
    let reads = [
        ("list_terms", json!({})),
        ("browse_category", json!({ "category": "general" })),
        ("recent_terms", json!({})),
        ("search_terms", json!({ "prefix": "a" })),
    ];
    for (tool, mut arguments) in reads {
        arguments["limit"] = 0.into();
        let said = refused(&client, tool, &arguments).await;
        assert!(said.contains("limit above zero"), "{tool}: {said}");
        arguments["limit"] = 100_001.into();
        let said = refused(&client, tool, &arguments).await;
        assert!(said.contains("at most 100000") && said.contains("100001"), "{tool}: {said}");
        arguments["limit"] = 100_000.into();
        assert_eq!(read(&client, tool, &arguments).await["count"], 0, "{tool}");
    }
    for (tool, arguments) in [
        ("add_term", json!({ "term": "a", "definition": "-", "category": "web\0api" })),
        ("browse_category", json!({ "category": "web\0api" })),
    ] {
        let said = refused(&client, tool, &arguments).await;
        assert!(said.contains("NUL"), "{tool}: {said}");
    }
    // Nothing of a transaction that fails is kept, in no table.
    let said = refused(&client, "add_term", &json!({ "term": "a".repeat(1020), "definition": "-" })).await;
    assert!(said.contains("key_too_large"), "{said}");
    for tool in ["list_terms", "recent_terms"] {
        assert_eq!(read(&client, tool, &json!({})).await["count"], 0, "{tool}");
    }
    client.close().await;
    fixture.stop_and_validate(server).await;
}
