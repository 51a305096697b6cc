//! Many invocations that wait for a time: the memory that they use, and how long it takes to wake them all.

use std::fmt::Display;
use std::future::{Future, Ready, ready};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use durable_runtime::prelude::*;
use durable_runtime::{Clock, Limits, SystemClock, Timestamp};
use serde_json::json;
use tokio::sync::{Notify, watch};

use crate::child::ready_until_told;
use crate::meter::{Meter, float, memory, micros, millis, tell};
use crate::relay::{Place, Relay, greet};

const AN_HOUR: Duration = Duration::from_secs(60 * 60);

/// What waits.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Waiting {
    /// Invocations that wait
    #[arg(long, default_value_t = 100_000)]
    pub(crate) invocations: u64,
    /// Memory for cached parts of the store's file, in MiB
    #[arg(long, default_value_t = 32)]
    pub(crate) cache_mib: usize,
    #[command(flatten)]
    pub(crate) place: Place,
}

/// One of the processes that do it.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Part {
    #[arg(long)]
    store: PathBuf,
    #[arg(long)]
    invocations: u64,
    #[arg(long)]
    cache_mib: usize,
}

/// The machine's clock, put forward.
#[derive(Clone)]
struct Ahead(watch::Sender<u64>);

impl Ahead {
    fn put_forward(&self, by: Duration) {
        self.0.send_modify(|ahead| *ahead += u64::try_from(by.as_millis()).unwrap_or(0));
    }
}

impl Clock for Ahead {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(SystemClock.now().as_millis() + *self.0.borrow())
    }

    fn sleep_until(&self, deadline: Timestamp) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let (clock, mut changes) = (self.clone(), self.0.subscribe());
        Box::pin(async move {
            loop {
                let left = deadline.as_millis().saturating_sub(clock.now().as_millis());
                if left == 0 {
                    return;
                }
                tokio::select! {
                    () = tokio::time::sleep(Duration::from_millis(left)) => {}
                    changed = changes.changed() => changed.expect("the clock outlives those who wait"),
                }
            }
        })
    }
}

/// How far the invocations are.
#[derive(Default)]
pub(crate) struct Progress {
    ended: AtomicU64,
    all_have_ended: Notify,
    wanted: AtomicU64,
}

impl Progress {
    fn note_end(&self) -> Ready<()> {
        if self.ended.fetch_add(1, Ordering::Relaxed) + 1 == self.wanted.load(Ordering::Relaxed) {
            self.all_have_ended.notify_one();
        }
        ready(())
    }
}

/// Waits for an hour between two steps.
#[durable_tool]
pub(crate) async fn wait(
    cx: &DurableContext,
    progress: State<Arc<Progress>>,
    name: String,
) -> Result<String, ToolError> {
    #[once(at_least, infallible)]
    let greeting = greet(&name).await;
    cx.sleep(AN_HOUR).await;
    #[once(at_least, infallible)]
    progress.note_end().await;
    Ok(greeting)
}

async fn open(part: &Part, progress: &Arc<Progress>, clock: Ahead) -> Result<Server, Error> {
    let mut limits = Limits::default();
    limits.running = usize::MAX >> 4;
    Server::builder("scale", "1.0.0")
        .store(&part.store)
        .cache_bytes(part.cache_mib << 20)
        .limits(limits)
        .clock(clock)
        .state(Arc::clone(progress))
        .tool(wait)
        .open()
        .await
}

fn clock() -> Ahead {
    Ahead(watch::Sender::new(0))
}

/// Waits until the store has had so many batches.
async fn until_committed(server: &Server, batches: u64) {
    while server.commit_counts().batches < batches {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Makes the invocations, and leaves them waiting.
pub(crate) async fn fill(part: &Part) -> Result<(), Error> {
    let server = open(part, &Arc::default(), clock()).await?;
    let opening = server.commit_counts().batches;
    let before = memory();
    let meter = Meter::start();
    let mut made = 0;
    while made < part.invocations {
        // Callers go away: nobody is connected to an invocation that is to leave memory.
        let callers = 512.min(part.invocations - made);
        let mut calls = tokio::task::JoinSet::new();
        for number in made..made + callers {
            let server = server.clone();
            calls.spawn(async move { server.call("wait", json!({ "name": format!("call {number}") })).await });
        }
        made += callers;
        // The admission, and then the outcome of the first step with the wait.
        until_committed(&server, opening + 2 * made).await;
        calls.shutdown().await;
    }
    let elapsed = meter.elapsed();
    let grown = |now: (u64, u64)| before.map(|before| (now.0.saturating_sub(before.0), now.1.saturating_sub(before.0)));
    let (grown, peak) = memory().and_then(grown).unzip();
    let figures = json!({
        "invocations": part.invocations,
        "seconds": elapsed.as_secs_f64(),
        "grown_bytes": grown,
        "peak_grown_bytes": peak,
        "store_bytes": std::fs::metadata(&part.store).map_or(0, |file| file.len()),
    });
    tell("waiting", &[&figures]);
    ready_until_told().await;
    server.shutdown().await;
    Ok(())
}

/// Opens the store of those that wait, and wakes them all at once.
pub(crate) async fn wake(part: &Part) -> Result<(), Error> {
    let progress = Arc::<Progress>::default();
    progress.wanted.store(part.invocations, Ordering::Relaxed);
    let clock = clock();
    let meter = Meter::start();
    let server = open(part, &progress, clock.clone()).await?;
    let opened = meter.elapsed();
    let resident = memory().map(|(now, _)| now);
    let meter = Meter::start();
    clock.put_forward(2 * AN_HOUR);
    progress.all_have_ended.notified().await;
    let (elapsed, cpu) = (meter.elapsed(), meter.cpu());
    let figures = json!({
        "invocations": part.invocations,
        "open_ms": millis(opened),
        "resident_bytes": resident,
        "all_woken_ms": millis(elapsed),
        "cpu_us_per_invocation": micros(cpu) / float(part.invocations),
        "peak_bytes": memory().map(|(_, most)| most),
    });
    tell("waking", &[&figures]);
    ready_until_told().await;
    server.shutdown().await;
    Ok(())
}

/// Makes the invocations in one process, and wakes them in another.
pub(crate) fn run(asked: &Waiting) -> std::io::Result<()> {
    let arguments: &[(&str, &dyn Display)] =
        &[("--invocations", &asked.invocations), ("--cache-mib", &asked.cache_mib)];
    let relay = Relay::new(&asked.place, arguments)?;
    relay.start("fill-waiting", &[])?.stop()?;
    relay.start("wake", &[])?.stop()
}
