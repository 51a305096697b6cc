//! What becomes of unfinished calls when the server is gone and another one is opened on what it left.

#![allow(clippy::unused_async, reason = "a step is an async function, whether it waits or not")]

mod support;

use durable_runtime::prelude::*;
use durable_runtime::store::{GroupCommit, MemoryBackend};
use durable_runtime::{ErrorKind, ServerBuilder};
use serde_json::json;
use tokio::runtime::Runtime;

use self::support::{effect, effects, server_on};

/// A server process that can be killed: everything that runs in it is dropped where it stands.
struct Process {
    runtime: Runtime,
    server: Server,
}

impl Process {
    fn start(builder: ServerBuilder) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let server = runtime.block_on(builder.open()).expect("a server");
        Self { runtime, server }
    }

    /// Makes a call that nobody waits for.
    fn call(&self, tool: &str, arguments: serde_json::Value) {
        let call = self.server.call(tool, arguments).idempotency_key("k");
        drop(self.runtime.spawn(call.into_future()));
    }

    /// Waits until the store has made this many commits since it was opened.
    fn wait_for_commits(&self, groups: u64) {
        while self.server.commit_counts().groups < groups {
            std::thread::yield_now();
        }
    }

    fn kill(self) {
        self.runtime.shutdown_background();
    }
}

/// The machine's clock, on which an hour is long.
fn slow_server(rows: &MemoryBackend) -> ServerBuilder {
    Server::builder("test", "0").custom_store(GroupCommit::new(rows.clone()).expect("a thread"))
}

async fn fail_once(cx: &StepContext, run: &str) -> Result<u32, ToolError> {
    effect(run, cx);
    if cx.attempt() == 1 { Err(ToolError::new("not yet")) } else { Ok(cx.attempt()) }
}

/// Waits for an hour between two attempts.
#[durable_tool]
async fn waits(cx: &DurableContext, run: String) -> Result<u32, ToolError> {
    #[once(at_least, retry(attempts = 2, initial = "1h", max = "1h"))]
    let attempt = fail_once(cx, &run).await?;
    Ok(attempt)
}

/// Is never ready in its first step.
#[durable_tool]
async fn never_ready(cx: &DurableContext, run: String) -> Result<u32, ToolError> {
    #[once(at_least, name = "hang", infallible)]
    let value = async {
        effect(&run, cx);
        std::future::pending::<u32>().await
    }
    .await;
    Ok(value)
}

#[test]
fn a_call_that_only_waits_is_not_parked_however_often_the_server_is_killed() {
    let rows = MemoryBackend::default();
    let first = Process::start(slow_server(&rows).tool(waits));
    first.call("waits", json!({ "run": "waits" }));
    // The opening, the admission, and the failure.
    first.wait_for_commits(3);
    first.kill();
    for _ in 0..12 {
        let process = Process::start(slow_server(&rows).tool(waits));
        // The opening counts the unclean end; the wait, when it is reached, takes it back.
        process.wait_for_commits(2);
        process.kill();
    }
    let last = Process::start(server_on(rows).tool(waits));
    let call = last.server.call("waits", json!({ "run": "waits" })).idempotency_key("k");
    let answer = last.runtime.block_on(call.into_future()).expect("an answer");
    assert_eq!(answer.result, Ok(json!(2)));
    assert_eq!(effects("waits"), ["fail_once 1", "fail_once 2"]);
}

#[test]
fn a_call_whose_process_dies_ten_times_while_it_runs_is_parked() {
    let rows = MemoryBackend::default();
    let first = Process::start(slow_server(&rows).tool(never_ready));
    first.call("never_ready", json!({ "run": "never ready" }));
    let mut runs = 0;
    let mut process = first;
    loop {
        runs += 1;
        while effects("never ready").len() < runs {
            std::thread::yield_now();
        }
        process.kill();
        process = Process::start(slow_server(&rows).tool(never_ready));
        if runs == 10 {
            break;
        }
    }
    let call = process.server.call("never_ready", json!({ "run": "never ready" })).idempotency_key("k");
    let error = process.runtime.block_on(call.into_future()).expect_err("parked");
    assert_eq!((error.code(), error.kind()), ("invocation_parked", ErrorKind::AskPerson));
    assert!(error.message().contains("(unclean_ends)"), "{error}");
    assert_eq!(effects("never ready").len(), 10);
}

#[test]
fn a_call_of_a_tool_that_is_gone_waits_for_a_build_that_has_it() {
    let rows = MemoryBackend::default();
    let first = Process::start(slow_server(&rows).tool(waits));
    first.call("waits", json!({ "run": "gone" }));
    first.wait_for_commits(3);
    first.kill();
    Process::start(slow_server(&rows).tool(never_ready)).kill();
    let last = Process::start(server_on(rows).tool(waits));
    let call = last.server.call("waits", json!({ "run": "gone" })).idempotency_key("k");
    let answer = last.runtime.block_on(call.into_future()).expect("an answer");
    assert_eq!(answer.result, Ok(json!(2)));
    assert_eq!(effects("gone"), ["fail_once 1", "fail_once 2"]);
}
