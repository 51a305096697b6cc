//! The file under a load that goes on: what has ended is forgotten beside it, and the file stops growing.

use std::path::PathBuf;
use std::time::Duration;

use durable_runtime::prelude::Server;
use durable_runtime::{Error, Limits};
use serde_json::json;

use crate::meter::{Meter, float, tell};
use crate::throughput::drive;
use durable_examples::bench::five_at_least;

/// How long the load goes on.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Steady {
    /// Seconds of load
    #[arg(long, default_value_t = 300)]
    pub(crate) seconds: u64,
    /// Calls in flight
    #[arg(long, default_value_t = 64)]
    pub(crate) in_flight: u64,
    /// How often the file is looked at
    #[arg(long, default_value_t = 10)]
    pub(crate) looks: u64,
    /// Seconds for which what has ended is kept
    #[arg(long, default_value_t = 10)]
    pub(crate) kept: u64,
    /// Directory of the store's file; it should be on a disk
    #[arg(long, default_value = env!("CARGO_TARGET_TMPDIR"))]
    pub(crate) directory: PathBuf,
}

/// Calls between two looks at the clock.
const ROUND: u64 = 5000;

/// Makes calls, and tells the size of the file from time to time.
pub(crate) async fn run(asked: &Steady) -> Result<(), Error> {
    let directory = tempfile::tempdir_in(&asked.directory).expect("a directory for the store can be made");
    let path = directory.path().join("steady.redb");
    let mut limits = Limits::default();
    let kept = Duration::from_secs(asked.kept);
    (limits.journal_retention, limits.result_retention, limits.key_retention) = (kept, kept, kept);
    // A result is kept for as long as a task or a session may ask for it.
    let server = Server::builder("scale", "1.0.0").task_time_to_live(kept).session_time_to_live(kept);
    let server = server.store(&path).limits(limits).tool(five_at_least).open().await?;
    let (whole, mut calls) = (Meter::start(), 0);
    for look in 1..=asked.looks {
        let until = Duration::from_secs(asked.seconds) * u32::try_from(look).unwrap_or(u32::MAX)
            / u32::try_from(asked.looks).unwrap_or(u32::MAX);
        let (part, calls_before) = (Meter::start(), calls);
        while whole.elapsed() < until {
            drive(&server, "five_at_least", ROUND, asked.in_flight).await;
            calls += ROUND;
        }
        tell(
            "steady",
            &[&json!({
                "seconds": whole.elapsed().as_secs_f64(),
                "calls": calls,
                "calls_per_s": float(calls - calls_before) / part.elapsed().as_secs_f64(),
                "store_bytes": std::fs::metadata(&path).map_or(0, |file| file.len()),
            })],
        );
    }
    server.shutdown().await;
    Ok(())
}
