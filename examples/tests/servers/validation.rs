//! What `--validate` says of a store.

use durable_examples::process::RunningServer;
use serde_json::json;
use tokio::process::Command;

use super::{Fixture, PROCESSING, STEPS, call, failed_start};

async fn create_user(server: &RunningServer, name: &str) {
    let user = json!({ "username": name, "email": format!("{name}@example.com") });
    call(server.url(), "create_user_with_profile", &user, &uuid::Uuid::new_v4().to_string()).await;
}

#[tokio::test]
async fn validation_prints_a_line_for_each_call_that_differs_and_fails() {
    let fixture = Fixture::of(STEPS);
    let server = fixture.start::<&str>([]).await;
    create_user(&server, "alice").await;
    create_user(&server, "bob").await;
    fixture.stop_and_validate(server).await;

    // Another server has no such tool, as little as a release in which it was renamed.
    let mut command = Command::new(PROCESSING);
    command.arg("--validate").arg("--store").arg(fixture.directory.path().join("store.redb"));
    let output = command.output().await.expect("the server can be run");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let lines = String::from_utf8(output.stdout).expect("the differences are text");
    assert_eq!(lines.lines().count(), 2, "{lines}");
    for line in lines.lines() {
        let says =
            "of `create_user_with_profile`: this server has no tool `create_user_with_profile`; start one that has it";
        assert!(line.ends_with(says), "{line}");
    }
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("error: differences between the journals and this build: 2"), "{said}");
}

#[tokio::test]
async fn validation_makes_no_store_and_takes_none_away_from_a_running_server() {
    let fixture = Fixture::of(STEPS);
    let said = failed_start(&mut fixture.command(["--validate"])).await;
    assert!(said.contains("store.redb"), "{said}");
    assert!(!fixture.directory.path().join("store.redb").exists());

    let server = fixture.start::<&str>([]).await;
    let said = failed_start(&mut fixture.command(["--validate"])).await;
    assert!(said.contains("store_held"), "{said}");
    create_user(&server, "alice").await;
    fixture.stop_and_validate(server).await;
}
