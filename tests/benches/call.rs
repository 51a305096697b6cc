//! One call of five steps of either kind, alone and with others in flight, beside bare redb commits of the same rows; a
//! read-only call; operations on tables.
//!
//! ```text
//! cargo bench -p durable-tests --bench call
//! ```

#[path = "scale/bare.rs"]
mod bare;
#[path = "scale/recording.rs"]
mod recording;

use std::path::Path;
use std::time::{Duration, Instant};

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use durable_examples::bench::{five_at_least, five_at_most, read_only};
use durable_runtime::Store;
use durable_runtime::prelude::*;
use serde_json::json;
use tokio::runtime::Runtime;

use self::recording::batches_of_a_call;

const TOOLS: [&str; 2] = ["five_at_least", "five_at_most"];
const ROWS: SortedMap<String> = SortedMap::new("rows");

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime can be built")
}

/// A directory on the disk that the build is on: a store in memory would be no measurement.
fn directory() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory can be made")
}

async fn server(path: &Path) -> Server {
    let server = Server::builder("call", "1.0.0").store(path);
    let server = server.tool(five_at_least).tool(five_at_most).tool(read_only);
    server.open().await.expect("a server on a new file")
}

/// Makes so many calls, with at most so many in flight.
async fn calls(server: &Server, tool: &'static str, count: u64, in_flight: u64) -> Duration {
    let began = Instant::now();
    let mut workers = tokio::task::JoinSet::new();
    for worker in 0..in_flight.min(count) {
        let server = server.clone();
        let share = count / in_flight + u64::from(worker < count % in_flight);
        workers.spawn(async move {
            for _ in 0..share {
                let answer = server.call(tool, json!({ "name": "ada" })).await.expect("the call is accepted");
                answer.result.expect("the tool succeeds");
            }
        });
    }
    workers.join_all().await;
    began.elapsed()
}

fn call(criterion: &mut Criterion) {
    let (runtime, directory) = (runtime(), directory());
    let server = runtime.block_on(server(&directory.path().join("call.redb")));
    for tool in TOOLS {
        let mut group = criterion.benchmark_group(tool);
        group.throughput(Throughput::Elements(1));
        for in_flight in [1, 64, 256] {
            group.bench_function(format!("{in_flight} in flight"), |bencher| {
                bencher.iter_custom(|count| runtime.block_on(calls(&server, tool, count, in_flight)));
            });
        }
        floor(&mut group, &runtime, tool);
        group.finish();
    }
    criterion.bench_function("read_only", |bencher| {
        bencher.iter_custom(|count| runtime.block_on(calls(&server, "read_only", count, 1)));
    });
    runtime.block_on(server.shutdown());
}

/// The commits of such a call in redb alone.
fn floor(group: &mut BenchmarkGroup<'_, WallTime>, runtime: &Runtime, tool: &str) {
    let directory = directory();
    let (batches, recorded) = runtime.block_on(batches_of_a_call(tool)).expect("the tool succeeds");
    let database = bare::database(&directory.path().join("bare.redb")).expect("a new file");
    group.bench_function("bare commits of one call", |bencher| {
        bencher.iter_custom(|count| {
            let began = Instant::now();
            bare::commits(&database, &batches, recorded, count, 1).expect("redb commits");
            began.elapsed()
        });
    });
}

/// How long so many operations take, one after the other.
fn timed(count: u64, operation: &dyn Fn(u64)) -> Duration {
    let began = Instant::now();
    (0..count).for_each(operation);
    began.elapsed()
}

fn table(criterion: &mut Criterion) {
    let (runtime, directory) = (runtime(), directory());
    let store = runtime.block_on(async {
        let store = Store::open(directory.path().join("table.redb")).await.expect("a new file");
        let rows = (0..10_000).map(|row| (format!("{row:05}"), format!("the value of row {row}")));
        ROWS.insert(&store, rows).await.expect("inserted");
        store
    });
    let mut group = criterion.benchmark_group("table of 10,000 rows");
    let get = |row: u64| {
        let value = runtime.block_on(ROWS.get(&store, format!("{:05}", row % 10_000)));
        value.expect("read").expect("the row is there");
    };
    let range = |row: u64| {
        let from = format!("{:05}", row % 9000);
        let rows = runtime.block_on(ROWS.range(&store, from.as_str().., 100)).expect("read");
        assert_eq!(rows.len(), 100);
    };
    let insert = |row: u64| {
        let row = [(format!("{:05}", row % 10_000), "another value".to_owned())];
        runtime.block_on(ROWS.insert(&store, row)).expect("inserted");
    };
    group.bench_function("get", |bencher| bencher.iter_custom(|count| timed(count, &get)));
    group.bench_function("range of 100", |bencher| bencher.iter_custom(|count| timed(count, &range)));
    group.bench_function("insert one", |bencher| bencher.iter_custom(|count| timed(count, &insert)));
    group.finish();
    runtime.block_on(store.close());
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10).measurement_time(Duration::from_secs(10));
    targets = call, table
}
criterion_main!(benches);
