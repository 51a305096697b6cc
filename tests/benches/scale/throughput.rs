//! Calls in process: how many a second with so many in flight, how long each takes, and what CPU time it costs.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use durable_runtime::prelude::Server;
use durable_runtime::store::{GroupCommit, MemoryBackend};
use durable_runtime::{Error, Limits};
use serde_json::{Value, json};

use crate::meter::{Meter, float, micros, percentiles, tell};
use durable_examples::bench::{five_at_least, five_at_most, read_only};

/// How calls are made.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Throughput {
    /// The tool: `five_at_least`, `five_at_most` or `read_only`
    #[arg(long, default_value = "five_at_least")]
    pub(crate) tool: String,
    /// Calls in flight
    #[arg(long, default_value_t = 256)]
    pub(crate) in_flight: u64,
    /// Calls that are measured, after a tenth as many that are not
    #[arg(long, default_value_t = 20_000)]
    pub(crate) calls: u64,
    /// Keep everything in memory instead of a file: what the engine costs without a disk
    #[arg(long)]
    pub(crate) memory: bool,
    /// Directory of the store's file; it should be on a disk
    #[arg(long, default_value = env!("CARGO_TARGET_TMPDIR"))]
    pub(crate) directory: PathBuf,
}

/// A server of the measured tools over a file.
pub(crate) async fn server(path: &Path) -> Result<Server, Error> {
    let mut limits = Limits::default();
    // A store that grows is measured, and not what keeps it small.
    limits.journals = usize::MAX;
    let server = Server::builder("scale", "1.0.0").store(path).limits(limits);
    server.tool(five_at_least).tool(five_at_most).tool(read_only).open().await
}

async fn in_memory() -> Result<Server, Error> {
    let store = GroupCommit::new(MemoryBackend::default())?;
    Server::builder("scale", "1.0.0")
        .custom_store(store)
        .tool(five_at_least)
        .tool(five_at_most)
        .tool(read_only)
        .open()
        .await
}

/// Makes calls, so many of them at a time, and gives how long each took.
pub(crate) async fn drive(server: &Server, tool: &str, calls: u64, in_flight: u64) -> Vec<Duration> {
    let begun = Arc::new(AtomicU64::new(0));
    let mut workers = tokio::task::JoinSet::new();
    for _ in 0..in_flight.min(calls) {
        let (server, tool, begun) = (server.clone(), tool.to_owned(), Arc::clone(&begun));
        workers.spawn(async move {
            let mut latencies = Vec::new();
            loop {
                let number = begun.fetch_add(1, Ordering::Relaxed);
                if number >= calls {
                    return latencies;
                }
                let began = Instant::now();
                let answer = server.call(tool.as_str(), json!({ "name": format!("call {number}") })).await;
                latencies.push(began.elapsed());
                let answer = answer.expect("a measured call is accepted");
                answer.result.expect("a measured tool succeeds");
            }
        });
    }
    workers.join_all().await.concat()
}

/// Makes calls and gives the figures of them.
pub(crate) async fn measure(server: &Server, tool: &str, calls: u64, in_flight: u64) -> Value {
    let before = server.commit_counts();
    let meter = Meter::start();
    let latencies = drive(server, tool, calls, in_flight).await;
    let (elapsed, cpu) = (meter.elapsed(), meter.cpu());
    let after = server.commit_counts();
    let mut figures = json!({
        "tool": tool,
        "in_flight": in_flight,
        "calls": calls,
        "calls_per_s": float(calls) / elapsed.as_secs_f64(),
        "cpu_us_per_call": micros(cpu) / float(calls),
        "commits_per_call": float(after.groups - before.groups) / float(calls),
        "batches_per_call": float(after.batches - before.batches) / float(calls),
    });
    if let (Some(figures), Value::Object(percentiles)) = (figures.as_object_mut(), percentiles(latencies)) {
        figures.extend(percentiles);
    }
    figures
}

/// Measures calls on a new store.
pub(crate) async fn run(asked: &Throughput) -> Result<(), Error> {
    let directory = tempfile::tempdir_in(&asked.directory).expect("a directory for the store can be made");
    let server = if asked.memory { in_memory().await? } else { server(&directory.path().join("scale.redb")).await? };
    drive(&server, &asked.tool, asked.calls / 10, asked.in_flight).await;
    let figures = measure(&server, &asked.tool, asked.calls, asked.in_flight).await;
    tell("throughput", &[&json!({ "store": if asked.memory { "memory" } else { "file" } }), &figures]);
    server.shutdown().await;
    Ok(())
}
