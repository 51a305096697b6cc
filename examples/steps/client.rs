//! Calls the tools of the example `steps` and checks what comes back.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser as _;
use durable_examples::{
    client::{Client, call_by_hand},
    flags::ClientFlags,
    server::exit_code,
};
use serde_json::{Value, json};

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
    client.expect_tools(&["create_user_with_profile", "get_user", "get_profile"]).await?;

    println!("A user and their profile are created in two steps.");
    let alice = json!({
        "username": "alice",
        "email": "alice@example.com",
        "bio": "Software engineer interested in distributed systems",
    });
    let created = client.call("create_user_with_profile", &alice).await?;
    let (user_id, profile_id) = ids(&created)?;
    client
        .expect(
            "get_user",
            &json!({ "user_id": user_id }),
            &json!({ "status": "success", "user": { "username": "alice", "email": "alice@example.com" } }),
        )
        .await?;
    client
        .expect(
            "get_profile",
            &json!({ "profile_id": profile_id }),
            &json!({
                "status": "success",
                "profile": {
                    "user_id": user_id,
                    "bio": "Software engineer interested in distributed systems",
                    "avatar_url": "",
                },
            }),
        )
        .await?;

    println!("The ids are derived from the user name: the same name has the same ids, in every run.");
    client.expect("create_user_with_profile", &alice, &created).await?;
    let bob = json!({
        "username": "bob",
        "email": "bob@example.com",
        "bio": "Data scientist",
        "avatar_url": "https://example.com/bob.png",
    });
    let other = client.call("create_user_with_profile", &bob).await?;
    anyhow::ensure!(ids(&other)?.0 != user_id, "`alice` and `bob` have the same id");

    println!("What is not there is an answer too.");
    client
        .expect(
            "get_user",
            &json!({ "user_id": "user_of_nobody" }),
            &json!({ "status": "error", "message": "User not found" }),
        )
        .await?;
    client
        .expect(
            "get_profile",
            &json!({ "profile_id": "profile_of_nobody" }),
            &json!({ "status": "error", "message": "Profile not found" }),
        )
        .await?;

    client.close().await;
    println!("All as expected.");
    Ok(())
}

fn ids(created: &Value) -> anyhow::Result<(&str, &str)> {
    anyhow::ensure!(created["status"] == "success", "the user was not created: {created}");
    let user_id = created["user_id"].as_str().context("the result has no `user_id`")?;
    let profile_id = created["profile_id"].as_str().context("the result has no `profile_id`")?;
    Ok((user_id, profile_id))
}
