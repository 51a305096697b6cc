//! A table much larger than the cache: it is filled, read in ranges from both ends, and counted, in bounded memory.
//!
//! ```text
//! cargo bench -p durable-runtime --bench table [-- TABLE_MIB]
//! ```
//!
//! Memory is what Linux says of the process (`/proc/self/status`): it must not grow by more than the cache and a margin. On
//! other systems only times are printed.

#![allow(clippy::print_stdout, reason = "a measurement tells its figures")]

use std::time::Instant;

use durable_runtime::prelude::*;
use durable_runtime::{Raw, Store};

const MIB: usize = 1 << 20;
/// Memory for cached parts of the file.
const CACHE: usize = 8 * MIB;
/// What may be used beside the cache: one batch on its way through the writer, one page of a range, the allocator.
const MARGIN: usize = 64 * MIB;
const VALUE: usize = 4096;
const ROWS_IN_A_BATCH: usize = 256;
const ROWS_IN_A_PAGE: usize = 1000;

const ROWS: SortedMap<Vec<u8>, Raw> = SortedMap::new("rows");

/// A figure of this process, in bytes.
fn memory(figure: &str) -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(figure)?.strip_prefix(':'))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok().map(|kib: usize| kib << 10)
}

struct Watch {
    resident_before: Option<usize>,
    began: Instant,
}

impl Watch {
    fn start() -> Self {
        Self { resident_before: memory("VmRSS"), began: Instant::now() }
    }

    /// Tells how long a part took and by how much memory has grown at most since the start.
    fn tell(&mut self, part: &str, rows: usize) {
        let seconds = self.began.elapsed().as_secs_f64();
        let grown = self.resident_before.and_then(|before| Some(memory("VmHWM")?.saturating_sub(before)));
        let shown = grown.map_or_else(|| "not measured".to_owned(), |grown| format!("{} MiB", grown / MIB));
        println!("{part:<16} {rows:>8} rows  {seconds:>7.2} s  peak of memory since the start: {shown}");
        if let Some(grown) = grown {
            assert!(grown < CACHE + MARGIN, "memory has grown by {grown} bytes, with a cache of {CACHE}");
        }
        self.began = Instant::now();
    }
}

/// A value that no compression would shorten much.
fn value(row: usize) -> Vec<u8> {
    let mut state = row as u64;
    (0..VALUE)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state.to_be_bytes()[0]
        })
        .collect()
}

async fn fill(store: &Store, rows: usize) -> Result<(), Error> {
    for first in (0..rows).step_by(ROWS_IN_A_BATCH) {
        let batch = first..rows.min(first + ROWS_IN_A_BATCH);
        ROWS.insert(store, batch.map(|row| (format!("{row:08}"), value(row)))).await?;
    }
    Ok(())
}

async fn read_all(store: &Store, descending: bool) -> Result<usize, Error> {
    let (mut read, mut after) = (0, None::<String>);
    loop {
        let page = if descending {
            ROWS.reverse_page(store, .., ROWS_IN_A_PAGE, after.as_deref()).await?
        } else {
            ROWS.page(store, .., ROWS_IN_A_PAGE, after.as_deref()).await?
        };
        read += page.entries.len();
        after = page.next;
        if after.is_none() {
            return Ok(read);
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    // Cargo adds `--bench`.
    let asked = std::env::args().skip(1).find_map(|argument| argument.parse::<usize>().ok());
    let rows = asked.unwrap_or(256) * MIB / VALUE;
    let directory = tempfile::tempdir().expect("a directory");
    let store = Store::open(directory.path().join("table.redb")).cache_bytes(CACHE).await?;
    println!("{} MiB of values, {} MiB of cache", rows * VALUE / MIB, CACHE / MIB);

    let mut watch = Watch::start();
    fill(&store, rows).await?;
    watch.tell("fill", rows);
    assert_eq!(read_all(&store, false).await?, rows);
    watch.tell("read ascending", rows);
    assert_eq!(read_all(&store, true).await?, rows);
    watch.tell("read descending", rows);
    assert_eq!(ROWS.count(&store, ..).await?, rows as u64);
    watch.tell("count", rows);
    let last = ROWS.reverse_range(&store, .., 1).await?;
    assert_eq!(last[0].1, value(rows - 1));
    store.close().await;
    Ok(())
}
