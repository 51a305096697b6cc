//! Opening a store with many finished and some unfinished invocations: after a kill, and after a clean stop.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use durable_examples::bench::five_at_least;
use durable_runtime::Limits;
use durable_runtime::prelude::*;
use serde_json::json;
use tokio::sync::Semaphore;

use crate::child::ready_until_told;
use crate::meter::{Meter, memory, millis, tell};
use crate::relay::{Place, Relay, greet};
use crate::throughput::drive;

/// What is in the store.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Recovery {
    /// Invocations that have ended
    #[arg(long, default_value_t = 1_000_000)]
    pub(crate) finished: u64,
    /// Invocations in the middle of a step
    #[arg(long, default_value_t = 10_000)]
    pub(crate) unfinished: u64,
    /// Let every commit write down what is free in the file, so that it is not walked after a kill
    #[arg(long)]
    pub(crate) quick: bool,
    #[command(flatten)]
    pub(crate) place: Place,
}

/// One of the processes that do it.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Part {
    #[arg(long)]
    store: PathBuf,
    #[arg(long, default_value_t = 0)]
    finished: u64,
    #[arg(long)]
    unfinished: u64,
    #[arg(long)]
    quick: bool,
    /// Let the unfinished invocations end
    #[arg(long)]
    finish: bool,
    #[arg(long, default_value = "")]
    after: String,
}

/// What holds the invocations back, and how far they are.
pub(crate) struct Gate {
    open: Semaphore,
    begun: AtomicU64,
    ended: AtomicU64,
}

impl Gate {
    async fn pass(&self) -> Result<(), ToolError> {
        self.begun.fetch_add(1, Ordering::Relaxed);
        drop(self.open.acquire().await);
        self.ended.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

/// Waits at the gate in its second step.
#[durable_tool]
pub(crate) async fn held(cx: &DurableContext, gate: State<Arc<Gate>>, name: String) -> Result<String, ToolError> {
    #[once(at_least, name = "before", infallible)]
    let greeting = greet(&name).await;
    #[once(at_least, name = "gate")]
    gate.pass().await?;
    Ok(greeting)
}

fn gate() -> Arc<Gate> {
    Arc::new(Gate { open: Semaphore::new(0), begun: AtomicU64::new(0), ended: AtomicU64::new(0) })
}

async fn open(part: &Part, gate: &Arc<Gate>) -> Result<Server, Error> {
    let mut limits = Limits::default();
    limits.journals = usize::MAX;
    limits.running = usize::MAX >> 4;
    Server::builder("scale", "1.0.0")
        .store(&part.store)
        .quick_recovery(part.quick)
        .state(Arc::clone(gate))
        .limits(limits)
        .grace(Duration::ZERO)
        .tool(five_at_least)
        .tool(held)
        .open()
        .await
}

async fn until(count: &AtomicU64, wanted: u64) {
    while count.load(Ordering::Relaxed) < wanted {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Fills a store, and is killed in the middle of the last calls.
pub(crate) async fn fill(part: &Part) -> Result<(), Error> {
    let gate = gate();
    let server = open(part, &gate).await?;
    drive(&server, "five_at_least", part.finished, 1024).await;
    for number in 0..part.unfinished {
        let server = server.clone();
        tokio::spawn(async move { server.call("held", json!({ "name": format!("call {number}") })).await });
    }
    until(&gate.begun, part.unfinished).await;
    ready_until_told().await;
    server.shutdown().await;
    Ok(())
}

/// Opens that store, and tells how long it takes.
pub(crate) async fn open_again(part: &Part) -> Result<(), Error> {
    let gate = gate();
    let meter = Meter::start();
    let server = open(part, &gate).await?;
    let (opened, open_cpu) = (meter.elapsed(), meter.cpu());
    until(&gate.begun, part.unfinished).await;
    let (begun, begun_cpu) = (meter.elapsed(), meter.cpu());
    let figures = json!({
        "after": part.after,
        "unfinished": part.unfinished,
        "quick_recovery": part.quick,
        "open_ms": millis(opened),
        "open_cpu_ms": millis(open_cpu),
        "all_run_again_ms": millis(begun),
        "all_run_again_cpu_ms": millis(begun_cpu),
        "resident_bytes": memory().map(|(now, _)| now),
    });
    if part.finish {
        let meter = Meter::start();
        gate.open.add_permits(Semaphore::MAX_PERMITS);
        until(&gate.ended, part.unfinished).await;
        // And their results are durable.
        while !server.invocations().unfinished(None, 1).await?.invocations.is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        tell("recovery", &[&figures, &json!({ "ended_ms": millis(meter.elapsed()) })]);
    } else {
        tell("recovery", &[&figures]);
    }
    ready_until_told().await;
    server.shutdown().await;
    Ok(())
}

/// Fills a store, kills its server, and opens it three times.
pub(crate) fn run(asked: &Recovery) -> std::io::Result<()> {
    let relay = Relay::new(&asked.place, &[("--finished", &asked.finished), ("--unfinished", &asked.unfinished)])?;
    let start = |what: &str, more: &[&str]| {
        let quick: &[&str] = if asked.quick { &["--quick"] } else { &[] };
        relay.start(what, &[quick, more].concat())
    };
    start("fill", &[])?.kill()?;
    let bytes = std::fs::metadata(relay.store())?.len();
    tell("recovery_store", &[&json!({ "finished": asked.finished, "unfinished": asked.unfinished, "bytes": bytes })]);
    start("open", &["--after", "kill"])?.stop()?;
    start("open", &["--after", "clean stop"])?.kill()?;
    start("open", &["--after", "second kill", "--finish"])?.stop()
}
