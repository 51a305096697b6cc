//! What a step costs in a store that grows.

use std::collections::BTreeSet;
use std::path::PathBuf;

use durable_runtime::Error;
use durable_runtime::store::Batch;
use serde_json::json;

use crate::meter::tell;
use crate::recording::batches_of_a_call;
use crate::throughput::{drive, measure, server};

/// How far the store grows, and what is measured on the way.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Growth {
    /// Rows in the store at which the calls are measured
    #[arg(long, value_delimiter = ',', default_value = "10000,1000000,10000000")]
    pub(crate) rows: Vec<u64>,
    /// Calls that are measured with 256 in flight; a hundredth of them alone
    #[arg(long, default_value_t = 20_000)]
    pub(crate) calls: u64,
    /// Directory of the store's file; it should be on a disk
    #[arg(long, default_value = env!("CARGO_TARGET_TMPDIR"))]
    pub(crate) directory: PathBuf,
}

/// How many rows a call leaves behind.
fn rows_left(batches: &[Batch]) -> u64 {
    let mut rows = BTreeSet::new();
    for write in batches.iter().flat_map(|batch| &batch.writes) {
        let row = (write.keyspace, write.key.clone());
        match write.value {
            Some(_) => drop(rows.insert(row)),
            None => drop(rows.remove(&row)),
        }
    }
    rows.len() as u64
}

/// Fills a store with calls, and measures calls at each size.
pub(crate) async fn run(asked: &Growth) -> Result<(), Error> {
    let (batches, _) = batches_of_a_call("five_at_least").await?;
    let rows_of_a_call = rows_left(&batches);
    let directory = tempfile::tempdir_in(&asked.directory).expect("a directory for the store can be made");
    let path = directory.path().join("growth.redb");
    let server = server(&path).await?;
    let mut calls = 0;
    for rows in &asked.rows {
        let wanted = rows / rows_of_a_call;
        drive(&server, "five_at_least", wanted.saturating_sub(calls), 1024).await;
        calls = calls.max(wanted);
        for (in_flight, measured) in [(1, asked.calls.div_ceil(100)), (256, asked.calls)] {
            let figures = measure(&server, "five_at_least", measured, in_flight).await;
            let bytes = std::fs::metadata(&path).map_or(0, |file| file.len());
            tell("growth", &[&json!({ "rows": calls * rows_of_a_call, "store_bytes": bytes }), &figures]);
            calls += measured;
        }
    }
    server.shutdown().await;
    Ok(())
}
