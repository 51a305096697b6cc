//! Each tool of the example, with a crash at every commit.

use durable_runtime::testing::{TestRun, TestServer, durable_test};
use serde_json::{Value, json};

use super::*;

async fn call(server: &TestServer, tool: &str, arguments: Value) -> Value {
    server.call(tool, arguments).await.expect("the call is answered").result.expect("the tool has no error")
}

#[durable_test(crash = every_point)]
async fn user_and_profile_are_there_once_wherever_the_server_dies(run: TestRun) {
    let server = run
        .server(|| Server::builder("steps", "test").tool(create_user_with_profile).tool(get_user).tool(get_profile))
        .await;
    let ada = json!({ "username": "ada", "email": "ada@example.org", "bio": "counts" });
    let created = call(&server, "create_user_with_profile", ada).await;
    assert_eq!(created["status"], "success");

    let user = call(&server, "get_user", json!({ "user_id": created["user_id"] })).await;
    assert_eq!(user["user"]["username"], "ada");
    let profile = call(&server, "get_profile", json!({ "profile_id": created["profile_id"] })).await;
    assert_eq!(profile["profile"]["user_id"], created["user_id"]);
    assert_eq!(profile["profile"]["bio"], "counts");
    assert_eq!(USERS.count(&server.store(), ..).await.expect("the table is read"), 1);
    assert_eq!(PROFILES.count(&server.store(), ..).await.expect("the table is read"), 1);
}
