//! The floor: what redb alone takes for the rows that a call of five steps writes.

use std::path::PathBuf;

use durable_runtime::Error;
use serde_json::json;

use crate::bare::{commits, database};
use crate::meter::{Meter, float, micros, percentiles, tell};
use crate::recording::batches_of_a_call;

/// How bare commits are made.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Floor {
    /// The tool whose rows are written
    #[arg(long, default_value = "five_at_least")]
    pub(crate) tool: String,
    /// Calls whose batches are in one commit
    #[arg(long, default_value_t = 1)]
    pub(crate) in_flight: u64,
    /// Calls whose rows are written
    #[arg(long, default_value_t = 500)]
    pub(crate) calls: u64,
    /// Directory of the file; it should be on a disk
    #[arg(long, default_value = env!("CARGO_TARGET_TMPDIR"))]
    pub(crate) directory: PathBuf,
}

/// Measures bare commits.
pub(crate) async fn run(asked: &Floor) -> Result<(), Error> {
    let (batches, recorded) = batches_of_a_call(&asked.tool).await?;
    let directory = tempfile::tempdir_in(&asked.directory).expect("a directory for the file can be made");
    let asked = asked.clone();
    let measured = tokio::task::spawn_blocking(move || {
        let database = database(&directory.path().join("floor.redb"))?;
        commits(&database, &batches, recorded, asked.calls.div_ceil(10), asked.in_flight)?;
        let meter = Meter::start();
        let latencies = commits(&database, &batches, recorded, asked.calls, asked.in_flight)?;
        let (elapsed, cpu) = (meter.elapsed(), meter.cpu());
        let calls = float(asked.calls.div_ceil(asked.in_flight) * asked.in_flight);
        let figures = json!({
            "tool": asked.tool,
            "in_flight": asked.in_flight,
            "commits_per_round": batches.len(),
            "round_us": micros(elapsed) * float(asked.in_flight) / calls,
            "calls_per_s": calls / elapsed.as_secs_f64(),
            "cpu_us_per_call": micros(cpu) / calls,
        });
        Ok::<_, redb::Error>((figures, percentiles(latencies)))
    });
    let (figures, commits) = measured.await.expect("the commits do not panic").expect("redb commits");
    tell("floor", &[&figures, &json!({ "commit": commits })]);
    Ok(())
}
