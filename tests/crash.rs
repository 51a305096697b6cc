//! Servers that are killed, aborted and stopped at chosen points, and what becomes of their calls.

use durable_tests::{Client, Fixture, Revision, ServerProcess, eventually};
use serde_json::json;

#[path = "crash/announcement.rs"]
mod announcement;
#[path = "crash/ask.rs"]
mod ask;
#[path = "crash/atomicity.rs"]
mod atomicity;
#[path = "crash/audit.rs"]
mod audit;
#[path = "crash/compensation.rs"]
mod compensation;
#[path = "crash/disconnect.rs"]
mod disconnect;
#[path = "crash/load.rs"]
mod load;
#[path = "crash/poison.rs"]
mod poison;
#[path = "crash/reissue.rs"]
mod reissue;
#[path = "crash/relay.rs"]
mod relay;
#[path = "crash/relay_conversation.rs"]
mod relay_conversation;
#[path = "crash/retry.rs"]
mod retry;
#[path = "crash/session.rs"]
mod session;
#[path = "crash/step.rs"]
mod step;
#[path = "crash/stop.rs"]
mod stop;
#[path = "crash/table.rs"]
mod table;
#[path = "crash/task.rs"]
mod task;
#[path = "crash/undelivered.rs"]
mod undelivered;

/// An idempotency key: fixtures have nothing in common, so all may use the same one.
const KEY: &str = "7a8f4a39-6a4c-4d2c-9e3d-0f7f2b4f5c11";

fn fixture() -> Fixture {
    Fixture::new(env!("CARGO_BIN_EXE_durable-test-server"))
}

/// How many commits the server has made since it was started.
async fn commits(server: &ServerProcess) -> u64 {
    let client = Client::http(server.url(), Revision::July2026).await;
    let commits = client.value("commits", &json!({})).await;
    commits["batches"].as_u64().expect("a number")
}

/// Waits until the server has made this many.
async fn commits_reach(server: &ServerProcess, count: u64) {
    eventually(&format!("commit {count}"), async || (commits(server).await >= count).then_some(())).await;
}
