//! What is kept how long.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::json;

use super::*;
use crate::chance::SystemChance;
use crate::clock::Clock;
use crate::context::DurableContext;
use crate::durable_tool;
use crate::engine::{Answer, Call, Interruption, Limits, Surroundings};
use crate::error::ToolError;
use crate::id::InvocationId;
use crate::state::States;
use crate::store::redb::{RedbOptions, open_file};
use crate::store::{GroupCommit, MemoryBackend, Store};
use crate::tool::Registry;
use crate::uuid7::Generator;

const DAY: u64 = 24 * 60 * 60 * 1000;

/// A clock that stands where it is set.
#[derive(Clone)]
struct Set(Arc<AtomicU64>);

impl Clock for Set {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }

    fn sleep_until(&self, _deadline: Timestamp) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(std::future::pending())
    }
}

/// Adds one.
#[durable_tool(crate = crate)]
async fn add(_cx: &DurableContext, to: u32) -> Result<u32, ToolError> {
    Ok(to + 1)
}

/// Waits for a day.
#[durable_tool(crate = crate)]
async fn sleep(cx: &DurableContext) -> Result<(), ToolError> {
    cx.sleep(Duration::from_secs(24 * 60 * 60)).await;
    Ok(())
}

fn engine(rows: &MemoryBackend, clock: &Set) -> Arc<Engine> {
    engine_with(Limits::default(), rows, clock)
}

fn engine_with(limits: Limits, rows: &MemoryBackend, clock: &Set) -> Arc<Engine> {
    engine_over(limits, Arc::new(GroupCommit::new(rows.clone()).expect("a thread")), clock)
}

fn engine_over(limits: Limits, store: Arc<dyn Store>, clock: &Set) -> Arc<Engine> {
    let surroundings = Surroundings {
        store,
        clock: Arc::new(clock.clone()),
        chance: Arc::new(SystemChance),
        limits,
        audit_keys: Generator::new(),
    };
    let registry = Registry::build(vec![Box::new(add()), Box::new(sleep())], States::default()).expect("sound tools");
    // It recovers nothing, so that it sweeps nothing by itself.
    Engine::new(surroundings, registry, "test".into())
}

fn call_of(key: &str, to: u32) -> Call {
    Call {
        tool: "add".into(),
        arguments: json!({ "to": to }),
        principal: String::new(),
        origin: "local",
        idempotency_key: Some(key.into()),
        name: None,
    }
}

async fn call(engine: &Arc<Engine>, key: &str, to: u32) -> Result<InvocationId, String> {
    let submitted = engine.submit(call_of(key, to)).await.map_err(|refusal| format!("{refusal:?}"))?;
    let id = submitted.id;
    assert!(matches!(submitted.answer().await, Answer::Ended(_)));
    Ok(id)
}

async fn rows(engine: &Engine, keyspace: Keyspace) -> usize {
    let scan =
        Scan { keyspace, lower: Bound::Unbounded, upper: Bound::Unbounded, descending: false, limit: usize::MAX };
    engine.surroundings.store.scan(scan).await.expect("a readable store").len()
}

/// Journals (each has one row), results, rows of ended invocations, and keys.
async fn counts(engine: &Engine) -> [usize; 4] {
    [
        rows(engine, Keyspace::Journal).await,
        rows(engine, Keyspace::Result).await,
        rows(engine, Keyspace::Retention).await,
        rows(engine, Keyspace::IdempotencyKey).await,
    ]
}

#[tokio::test]
async fn a_key_is_known_for_a_day_after_the_end_and_is_then_one_for_a_new_call() {
    let (memory, clock) = (MemoryBackend::default(), Set(Arc::new(AtomicU64::new(DAY))));
    let engine = engine(&memory, &clock);
    let first = call(&engine, "k", 1).await.expect("admitted");
    clock.0.store(2 * DAY - 1, Ordering::SeqCst);
    assert_eq!(call(&engine, "k", 1).await, Ok(first));
    assert!(call(&engine, "k", 2).await.expect_err("a conflict").contains("idempotency_key_conflict"));
    clock.0.store(2 * DAY, Ordering::SeqCst);
    let second = call(&engine, "k", 2).await.expect("a new call");
    assert_ne!(second, first);
    assert_eq!(call(&engine, "k", 2).await, Ok(second));
    // The sweep that comes for the first call leaves the key to the second.
    assert_eq!(engine.sweep().await.expect("a readable store"), Swept { journals: 1, results: 1 });
    assert_eq!(call(&engine, "k", 2).await, Ok(second));
    assert_eq!(counts(&engine).await, [1, 1, 1, 1]);
}

#[tokio::test]
async fn what_is_over_is_swept_in_pieces_and_nothing_else() {
    let (memory, clock) = (MemoryBackend::default(), Set(Arc::new(AtomicU64::new(DAY))));
    let engine = engine(&memory, &clock);
    for number in 0..2250 {
        call(&engine, &format!("old {number}"), 1).await.expect("admitted");
    }
    clock.0.store(DAY + 1000, Ordering::SeqCst);
    let young = call(&engine, "young", 1).await.expect("admitted");
    clock.0.store(2 * DAY + 999, Ordering::SeqCst);
    assert_eq!(engine.sweep().await.expect("a readable store"), Swept { journals: 2250, results: 2250 });
    assert_eq!(counts(&engine).await, [1, 1, 1, 1]);
    assert_eq!(call(&engine, "young", 1).await, Ok(young));
    assert_eq!(engine.sweep().await.expect("a readable store"), Swept::default());
}

#[tokio::test]
async fn a_result_outlives_its_journal() {
    let (memory, clock) = (MemoryBackend::default(), Set(Arc::new(AtomicU64::new(DAY))));
    let limits = Limits { journal_retention: Duration::from_secs(60), ..Limits::default() };
    let engine = engine_with(limits, &memory, &clock);
    let first = call(&engine, "first", 1).await.expect("admitted");
    clock.0.store(DAY + 59_999, Ordering::SeqCst);
    assert_eq!(engine.sweep().await.expect("a readable store"), Swept::default());
    clock.0.store(DAY + 60_000, Ordering::SeqCst);
    assert_eq!(engine.sweep().await.expect("a readable store"), Swept { journals: 1, results: 0 });
    assert_eq!(engine.sweep().await.expect("a readable store"), Swept::default());
    assert_eq!(counts(&engine).await, [0, 1, 1, 1]);
    assert_eq!(call(&engine, "first", 1).await, Ok(first));
    assert_eq!(engine.validate().await.expect("a readable store"), Vec::new());
    clock.0.store(2 * DAY, Ordering::SeqCst);
    assert_eq!(engine.sweep().await.expect("a readable store"), Swept { journals: 0, results: 1 });
    assert_eq!(counts(&engine).await, [0, 0, 0, 0]);
}

#[tokio::test]
async fn no_more_journals_are_kept_than_the_limit_says_the_latest_ones() {
    let (memory, clock) = (MemoryBackend::default(), Set(Arc::new(AtomicU64::new(DAY))));
    let engine = engine_with(Limits { journals: 30, ..Limits::default() }, &memory, &clock);
    let mut ids = Vec::new();
    for number in 0..2280 {
        clock.0.fetch_add(1, Ordering::SeqCst);
        ids.push(call(&engine, &number.to_string(), 1).await.expect("admitted"));
    }
    assert_eq!(engine.sweep().await.expect("a readable store"), Swept { journals: 2250, results: 0 });
    assert_eq!(counts(&engine).await, [30, 2280, 2280, 2280]);
    for (number, id) in ids.into_iter().enumerate() {
        assert_eq!(engine.journal(id).await.expect("a readable store").0.is_empty(), number < 2250);
    }
}

#[tokio::test]
async fn journals_that_go_with_their_results_are_not_counted_among_those_that_are_kept() {
    let (memory, clock) = (MemoryBackend::default(), Set(Arc::new(AtomicU64::new(DAY))));
    let engine = engine_with(Limits { journals: 30, ..Limits::default() }, &memory, &clock);
    for number in 0..100 {
        call(&engine, &format!("old {number}"), 1).await.expect("admitted");
    }
    clock.0.store(2 * DAY, Ordering::SeqCst);
    for number in 0..50 {
        call(&engine, &format!("young {number}"), 1).await.expect("admitted");
    }
    assert_eq!(engine.sweep().await.expect("a readable store"), Swept { journals: 120, results: 100 });
    assert_eq!(counts(&engine).await, [30, 50, 50, 50]);
}

#[tokio::test]
async fn the_journal_of_a_call_that_ended_while_the_clock_was_set_back_goes_with_its_result() {
    let (memory, clock) = (MemoryBackend::default(), Set(Arc::new(AtomicU64::new(3 * DAY))));
    let engine = engine_with(Limits { journals: 0, ..Limits::default() }, &memory, &clock);
    call(&engine, "first", 1).await.expect("admitted");
    assert_eq!(engine.sweep().await.expect("a readable store"), Swept { journals: 1, results: 0 });
    clock.0.store(2 * DAY, Ordering::SeqCst);
    call(&engine, "second", 1).await.expect("admitted");
    assert_eq!(engine.sweep().await.expect("a readable store"), Swept::default());
    clock.0.store(4 * DAY, Ordering::SeqCst);
    assert_eq!(engine.sweep().await.expect("a readable store"), Swept { journals: 0, results: 2 });
    assert_eq!(counts(&engine).await, [0, 0, 0, 0]);
}

#[tokio::test]
async fn the_journal_of_a_call_that_ended_without_its_body_is_deleted_whole() {
    let (memory, clock) = (MemoryBackend::default(), Set(Arc::new(AtomicU64::new(DAY))));
    let engine = engine_with(Limits { journals: 0, ..Limits::default() }, &memory, &clock);
    let call = Call { tool: "sleep".into(), arguments: json!({}), ..call_of("k", 1) };
    let submitted = engine.submit(call).await.map_err(|refusal| format!("{refusal:?}")).expect("admitted");
    let id = submitted.id;
    drop(submitted);
    while engine.directory.coming(id).is_some() {
        tokio::task::yield_now().await;
    }
    let cancelled = Interruption::Cancelled { reason: "enough".into() };
    let submitted = engine.interrupt(id, cancelled).await.expect("a readable store").expect("an invocation");
    assert!(matches!(submitted.answer().await, Answer::Ended(_)));
    assert!(rows(&engine, Keyspace::Journal).await > 0);
    assert_eq!(engine.sweep().await.expect("a readable store"), Swept { journals: 1, results: 0 });
    assert_eq!(counts(&engine).await, [0, 1, 1, 1]);
}

#[tokio::test]
async fn the_file_stops_growing_under_a_steady_load() {
    const ROUNDS: usize = 12;
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("store.redb");
    let options = RedbOptions::new(&path);
    let store = Arc::new(open_file(options).await.expect("a new store"));
    let clock = Set(Arc::new(AtomicU64::new(DAY)));
    let engine = engine_over(Limits::default(), store, &clock);
    let mut sizes = Vec::new();
    for round in 0..ROUNDS {
        let calls = (0..500).map(|number| {
            let engine = Arc::clone(&engine);
            tokio::spawn(async move { call(&engine, &format!("{round} {number}"), 1).await })
        });
        for called in calls.collect::<Vec<_>>() {
            called.await.expect("no panic").expect("admitted");
        }
        clock.0.fetch_add(DAY, Ordering::SeqCst);
        assert_eq!(engine.sweep().await.expect("a readable store"), Swept { journals: 500, results: 500 });
        sizes.push(std::fs::metadata(&path).expect("a file").len());
    }
    // How the calls fall into commits moves it by some pages; all that was ever called would make it many times larger.
    assert!(sizes[ROUNDS - 1] < 2 * sizes[ROUNDS / 3], "{sizes:?}");
    assert_eq!(counts(&engine).await, [0, 0, 0, 0]);
}
