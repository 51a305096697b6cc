//! Calls the tools of the example `audit` and checks what comes back.

use std::process::ExitCode;

use anyhow::{Context as _, ensure};
use clap::Parser as _;
use durable_examples::{
    client::{Client, call_by_hand},
    flags::ClientFlags,
    server::exit_code,
};
use serde_json::{Value, json};

const TOOLS: [&str; 4] = ["create_user", "delete_user", "update_user", "get_audit_log"];

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

    println!("Each operation leaves an entry.");
    let ada = json!({ "name": "Ada", "email": "ada@example.org" });
    let created = client.call("create_user", &ada).await?;
    let user_id = created["user_id"].as_str().context("the user has no id")?;
    let expected = json!({ "status": "success", "user_id": user_id, "name": "Ada", "email": "ada@example.org" });
    ensure!(created == expected, "expected {expected}, but got {created}");
    let updates = json!({ "user_id": user_id, "updates": { "email": "ada@example.com", "role": "admin" } });
    let updated = json!({ "status": "success", "user_id": user_id, "updated_fields": ["email", "role"] });
    client.expect("update_user", &updates, &updated).await?;
    let deletion = json!({ "user_id": user_id, "reason": "she asked for it" });
    client.expect("delete_user", &deletion, &json!({ "status": "success", "user_id": user_id })).await?;

    println!("The newest is the first, and a deletion says more than the call.");
    let newest = entries(&client, &json!({ "log_name": "user_operations", "limit": 3 })).await?;
    let deleted = &newest[0];
    for (field, value) in [
        ("action", json!("delete_user")),
        ("user_id", json!(user_id)),
        ("reason", json!("she asked for it")),
        ("severity", json!("high")),
        ("status", json!("success")),
        ("tool", json!("delete_user")),
    ] {
        ensure!(deleted[field] == value, "expected `{field}` to be {value} in {deleted}");
    }
    ensure!(newest[1]["tool"] == "update_user" && newest[2]["tool"] == "create_user", "wrong order: {newest:?}");
    let creation = &newest[2];
    ensure!(creation["inputs"] == ada && creation["outputs"] == created, "the entry is {creation}");
    ensure!(creation["success"] == true && creation["duration_seconds"].is_number(), "the entry is {creation}");

    println!("A change of the role is in a log of its own.");
    let events = entries(&client, &json!({ "log_name": "security_events", "limit": 1 })).await?;
    let change = &events[0];
    ensure!(
        (&change["action"], &change["old_role"], &change["new_role"], &change["severity"])
            == (&json!("role_change"), &json!("user"), &json!("admin"), &json!("medium")),
        "the entry is {change}"
    );

    println!("From a time on, the oldest is the first; up to a time, the newest.");
    let (begin, end) = (&creation["timestamp"], &deleted["timestamp"]);
    let log = json!({ "log_name": "user_operations", "begin": begin });
    ensure!(tools(&entries(&client, &log).await?) == ["create_user", "update_user", "delete_user"]);
    let log = json!({ "log_name": "user_operations", "begin": begin, "end": end });
    ensure!(tools(&entries(&client, &log).await?) == ["create_user", "update_user", "delete_user"]);
    let log = json!({ "log_name": "user_operations", "end": end, "limit": 2 });
    ensure!(tools(&entries(&client, &log).await?) == ["delete_user", "update_user"]);
    client.close().await;
    println!("All is as expected.");
    Ok(())
}

async fn entries(client: &Client, arguments: &Value) -> anyhow::Result<Vec<Value>> {
    let log = client.call("get_audit_log", arguments).await?;
    let entries = log["entries"].as_array().context("the entries are no array")?.clone();
    ensure!(log["log_name"] == arguments["log_name"] && log["count"] == entries.len(), "the log is {log}");
    Ok(entries)
}

fn tools(entries: &[Value]) -> Vec<&str> {
    entries.iter().filter_map(|entry| entry["tool"].as_str()).collect()
}
