//! Calls the tools of the example `define` and checks what comes back.

use std::process::ExitCode;

use anyhow::{Context as _, ensure};
use clap::Parser as _;
use durable_examples::{
    client::{Client, call_by_hand},
    flags::ClientFlags,
    server::exit_code,
};
use serde_json::{Value, json};

const TOOLS: [&str; 7] =
    ["add_term", "define", "remove_term", "list_terms", "browse_category", "recent_terms", "search_terms"];

#[tokio::main]
async fn main() -> ExitCode {
    exit_code(run(&ClientFlags::parse()).await)
}

async fn run(flags: &ClientFlags) -> anyhow::Result<()> {
    let client = Client::connect(&flags.url, flags.protocol).await?;
    if call_by_hand(&client, flags).await? {
        client.close().await;
        return Ok(());
    }
    client.expect_tools(&TOOLS).await?;

    println!("Terms are added, each to all tables at once.");
    let api = "Application programming interface: what a program offers to other programs, and what these may rely on, \
               whatever becomes of the code behind it.";
    let rest = json!({
        "term": "REST", "definition": "An architectural style.", "category": "architecture", "examples": ["GET /users"],
    });
    let idempotency =
        json!({ "term": "Idempotency", "definition": "Twice is as good as once.", "category": "general" });
    let api = json!({ "term": "API", "definition": api, "category": "architecture" });
    let apiary = json!({ "term": "Apiary", "definition": "Where bees live." });
    add(&client, &rest).await?;
    add(&client, &idempotency).await?;
    let added_api = add(&client, &api).await?;
    let added_apiary = add(&client, &apiary).await?;

    println!("They are found in any case, in alphabetical order, by category, and by what they begin with.");
    let found = client.call("define", &json!({ "term": "rEsT" })).await?;
    let mut term = rest.clone();
    term["timestamp"] = found["term"]["timestamp"].clone();
    let expected = json!({ "status": "success", "term": term });
    ensure!(found == expected, "expected {expected}, but got {found}");
    listed(&client, &json!({}), &["API", "Apiary", "Idempotency", "REST"]).await?;
    listed(&client, &json!({ "start_with": "API", "limit": 2 }), &["API", "Apiary"]).await?;
    listed(&client, &json!({ "start_with": "b" }), &["Idempotency", "REST"]).await?;
    let in_category = |term: &Value| {
        json!({
            "term": term["term"],
            "definition": term["definition"],
            "examples": term.get("examples").cloned().unwrap_or_else(|| json!([])),
        })
    };
    category(&client, "architecture", &json!([in_category(&api), in_category(&rest)])).await?;
    category(&client, "general", &json!([in_category(&apiary), in_category(&idempotency)])).await?;
    let search = client.call("search_terms", &json!({ "prefix": "Api" })).await?;
    let summary = |term: &Value| {
        let category = term.get("category").cloned().unwrap_or_else(|| "general".into());
        json!({ "term": term["term"], "definition": term["definition"], "category": category })
    };
    let expected =
        json!({ "status": "success", "prefix": "Api", "count": 2, "terms": [summary(&api), summary(&apiary)] });
    ensure!(search == expected, "expected {expected}, but got {search}");

    println!("The newest come first, with the beginnings of their definitions.");
    let recent = client.call("recent_terms", &json!({ "limit": 2 })).await?;
    let mut first = summary(&apiary);
    first["added_at"] = added_apiary;
    let mut second = summary(&api);
    let definition = second["definition"].as_str().context("the definition is a text")?;
    second["definition"] = (definition.chars().take(100).collect::<String>() + "...").into();
    second["added_at"] = added_api;
    let expected = json!({ "status": "success", "count": 2, "recent_terms": [first, second] });
    ensure!(recent == expected, "expected {expected}, but got {recent}");

    println!("A term that is added again is overwritten, and leaves its category.");
    let moved = json!({ "term": "rest", "definition": "What one needs at night.", "category": "health" });
    add(&client, &moved).await?;
    category(&client, "architecture", &json!([in_category(&api)])).await?;
    category(&client, "health", &json!([in_category(&moved)])).await?;
    listed(&client, &json!({ "start_with": "rest" }), &["rest"]).await?;

    println!("A term that is removed is history, but is not found.");
    let removed = json!({ "status": "success", "message": "Removed 'Apiary' from glossary" });
    client.expect("remove_term", &json!({ "term": "Apiary" }), &removed).await?;
    let missing = json!({ "status": "error", "message": "Term 'Apiary' not found" });
    client.expect("remove_term", &json!({ "term": "Apiary" }), &missing).await?;
    let missing = json!({ "status": "error", "message": "Term 'apiary' not found in glossary" });
    client.expect("define", &json!({ "term": "apiary" }), &missing).await?;
    category(&client, "general", &json!([in_category(&idempotency)])).await?;
    let recent = client.call("recent_terms", &json!({ "limit": 5 })).await?;
    let terms = names(&recent["recent_terms"])?;
    ensure!(terms == ["rest", "Apiary", "API", "Idempotency", "REST"], "these are not the recent terms: {terms:?}");

    client.close().await;
    println!("All as expected.");
    Ok(())
}

/// Adds a term and gives its time.
async fn add(client: &Client, term: &Value) -> anyhow::Result<Value> {
    let added = client.call("add_term", term).await?;
    let timestamp = &added["timestamp"];
    ensure!(timestamp.is_u64(), "the time is no number of milliseconds: {added}");
    let expected = json!({ "status": "success", "term": term["term"], "timestamp": timestamp });
    ensure!(added == expected, "expected {expected}, but got {added}");
    Ok(timestamp.clone())
}

/// Lists terms, and checks which they are.
async fn listed(client: &Client, arguments: &Value, expected: &[&str]) -> anyhow::Result<()> {
    let listed = client.call("list_terms", arguments).await?;
    let terms = names(&listed["terms"])?;
    ensure!(terms == expected, "expected the terms {expected:?}, but got {listed}");
    ensure!(listed["count"] == expected.len(), "the count is another one: {listed}");
    Ok(())
}

/// Browses a category, and checks what is in it.
async fn category(client: &Client, category: &str, terms: &Value) -> anyhow::Result<()> {
    let count = terms.as_array().map(Vec::len);
    let expected = json!({ "status": "success", "category": category, "count": count, "terms": terms });
    client.expect("browse_category", &json!({ "category": category }), &expected).await
}

fn names(terms: &Value) -> anyhow::Result<Vec<&str>> {
    let terms = terms.as_array().context("the terms are an array")?;
    terms.iter().map(|term| term["term"].as_str().context("a term has a name")).collect()
}
