use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::*;
use crate::chance::SystemChance;
use crate::clock::SystemClock;
use crate::context::DurableContext;
use crate::engine::{Call, Limits, Surroundings};
use crate::error::ToolError;
use crate::journal::codec;
use crate::journal::record::{Record, Unfinished};
use crate::state::States;
use crate::step::StepContext;
use crate::store::{Batch, GroupCommit, MemoryBackend};
use crate::tool::{Registry, Tool};
use crate::uuid7::Generator;
use crate::{durable, durable_tool, once};

/// Sleeps for an hour.
#[durable_tool(crate = crate)]
async fn sleeps(cx: &DurableContext) -> Result<u32, ToolError> {
    cx.sleep(Duration::from_secs(3600)).await;
    Ok(1)
}

/// Gives a value.
#[durable_tool(crate = crate)]
async fn ends(_cx: &DurableContext) -> Result<u32, ToolError> {
    Ok(1)
}

/// Reaches one step twice, and is parked.
#[durable_tool(crate = crate)]
async fn parks(cx: &DurableContext) -> Result<u32, ToolError> {
    for key in ["a", "a"] {
        #[once(at_least, key = key, infallible, name = "step")]
        async {}.await;
    }
    Ok(1)
}

static BEGUN: Semaphore = Semaphore::const_new(0);
static MAY_END: Semaphore = Semaphore::const_new(0);

async fn work(_: &StepContext) -> Result<u32, ToolError> {
    BEGUN.add_permits(1);
    MAY_END.acquire().await?.forget();
    Ok(7)
}

/// Works, and then sleeps.
#[durable_tool(crate = crate)]
async fn works(cx: &DurableContext) -> Result<u32, ToolError> {
    #[once(at_most)]
    let value = work(cx).await?;
    cx.sleep(Duration::from_secs(3600)).await;
    Ok(value)
}

static UNDOING: Semaphore = Semaphore::const_new(0);
static MAY_UNDO: Semaphore = Semaphore::const_new(0);
static IS_MENDED: AtomicBool = AtomicBool::new(false);

/// Sleeps for an hour, and is undone.
#[durable_tool(crate = crate, on_cancel = undo)]
async fn undone(cx: &DurableContext) -> Result<u32, ToolError> {
    cx.sleep(Duration::from_secs(3600)).await;
    Ok(1)
}

async fn wait_to_undo(_: &StepContext) -> Result<(), ToolError> {
    UNDOING.add_permits(1);
    MAY_UNDO.acquire().await?.forget();
    Ok(())
}

fn panics_once() {
    assert!(IS_MENDED.swap(true, Ordering::SeqCst), "the undoing is cut off");
}

#[durable(crate = crate)]
async fn undo(cx: &DurableContext) -> Result<(), ToolError> {
    #[once(at_least)]
    wait_to_undo(cx).await?;
    panics_once();
    Ok(())
}

async fn engine(rows: &MemoryBackend, tools: Vec<Box<dyn Tool>>) -> Arc<Engine> {
    engine_with(Limits::default(), rows, tools).await
}

async fn engine_with(limits: Limits, rows: &MemoryBackend, tools: Vec<Box<dyn Tool>>) -> Arc<Engine> {
    let limits = Limits { evict_after: Duration::ZERO, ..limits };
    let store = Arc::new(GroupCommit::new(rows.clone()).expect("a thread"));
    let surroundings = Surroundings {
        store,
        clock: Arc::new(SystemClock),
        chance: Arc::new(SystemChance),
        limits,
        audit_keys: Generator::new(),
    };
    let registry = Registry::build(tools, States::default()).expect("sound tools");
    let engine = Engine::new(surroundings, registry, "test".into());
    engine.recover().await.expect("a readable store");
    engine
}

fn tools() -> Vec<Box<dyn Tool>> {
    vec![Box::new(sleeps()), Box::new(ends()), Box::new(parks()), Box::new(works()), Box::new(undone())]
}

async fn submit(engine: &Arc<Engine>, tool: &str) -> Submitted {
    let call = Call {
        tool: tool.into(),
        arguments: json!({}),
        principal: "ada".into(),
        origin: "local",
        idempotency_key: Some("k".into()),
        name: None,
    };
    engine.submit(call).await.expect("admitted")
}

fn cancelled() -> Interruption {
    Interruption::Cancelled { reason: "by ada".into() }
}

async fn interrupt(engine: &Arc<Engine>, id: InvocationId) -> Answer {
    let interrupted = engine.interrupt(id, cancelled()).await.expect("a readable store");
    interrupted.expect("the invocation is there").answer().await
}

#[track_caller]
fn conclusion(answer: &Answer) -> &Conclusion {
    match answer {
        Answer::Ended(ended) => {
            assert_eq!(ended.principal, "ada");
            &ended.conclusion
        }
        other => panic!("it has not ended: {other:?}"),
    }
}

fn is_cancelled(answer: &Answer) -> bool {
    *conclusion(answer) == Conclusion::Cancelled { reason: "by ada".into() }
}

/// Waits until an invocation is out of memory.
async fn evicted(engine: &Arc<Engine>, id: InvocationId) {
    while engine.directory.coming(id).is_some() {
        tokio::task::yield_now().await;
    }
}

/// Makes a call that sleeps, and waits until it is out of memory.
async fn asleep(engine: &Arc<Engine>) -> InvocationId {
    let waiting = submit(engine, "sleeps").await;
    let id = waiting.id;
    drop(waiting);
    evicted(engine, id).await;
    id
}

/// Lets a timer of an invocation run out, and waits until that is noticed.
async fn time_comes(engine: &Arc<Engine>, id: InvocationId) {
    let now = engine.surroundings.clock.now();
    engine.timers.set(now, id);
    while engine.timers.earliest().is_some_and(|earliest| earliest <= now) {
        tokio::task::yield_now().await;
    }
}

async fn row(engine: &Arc<Engine>, id: InvocationId) -> Option<Unfinished> {
    let row = engine.surroundings.store.get(Keyspace::Unfinished, id.as_bytes().to_vec()).await;
    row.expect("a readable store").map(|row| decoded(&row).expect("a readable row"))
}

async fn rows_left(engine: &Arc<Engine>, id: InvocationId) -> usize {
    usize::from(row(engine, id).await.is_some())
}

#[tokio::test]
async fn a_call_in_memory_ends_with_its_cancellation_for_all_who_wait_and_all_who_come() {
    let rows = MemoryBackend::default();
    let engine = engine(&rows, tools()).await;
    let first = submit(&engine, "sleeps").await;
    let id = first.id;
    assert!(is_cancelled(&interrupt(&engine, id).await));
    assert!(is_cancelled(&first.answer().await));
    let again = submit(&engine, "sleeps").await;
    assert!(again.id == id && again.is_replayed());
    assert!(is_cancelled(&again.answer().await));
    assert_eq!(rows_left(&engine, id).await, 0);
}

#[tokio::test]
async fn a_call_outside_of_memory_ends_without_its_body_and_without_its_tool() {
    let rows = MemoryBackend::default();
    let first = engine(&rows, tools()).await;
    let waiting = submit(&first, "sleeps").await;
    let id = waiting.id;
    drop(waiting);
    evicted(&first, id).await;
    first.stop(Duration::ZERO).await;
    let without_tool = engine(&rows, vec![Box::new(ends())]).await;
    assert!(is_cancelled(&interrupt(&without_tool, id).await));
    without_tool.stop(Duration::ZERO).await;
    let last = engine(&rows, tools()).await;
    assert!(is_cancelled(&submit(&last, "sleeps").await.answer().await));
}

#[tokio::test]
async fn a_parked_call_ends_with_its_cancellation() {
    let rows = MemoryBackend::default();
    let engine = engine(&rows, tools()).await;
    let parked = submit(&engine, "parks").await;
    let id = parked.id;
    assert!(matches!(parked.answer().await, Answer::Parked { .. }));
    assert!(is_cancelled(&interrupt(&engine, id).await));
    assert_eq!(rows_left(&engine, id).await, 0);
}

#[tokio::test]
async fn a_result_that_is_durable_is_not_cancelled() {
    let rows = MemoryBackend::default();
    let engine = engine(&rows, tools()).await;
    let ended = submit(&engine, "ends").await;
    let id = ended.id;
    let value = Conclusion::Succeeded { value: Value::from(1).to_string() };
    assert_eq!(*conclusion(&ended.answer().await), value);
    assert_eq!(*conclusion(&interrupt(&engine, id).await), value);
}

#[tokio::test]
async fn what_is_not_there_is_not_cancelled() {
    let rows = MemoryBackend::default();
    let engine = engine(&rows, tools()).await;
    let id = InvocationId::new(engine.surroundings.clock.now());
    assert!(engine.interrupt(id, cancelled()).await.expect("a readable store").is_none());
    assert_eq!(engine.directory.len(), 0);
}

#[tokio::test]
async fn an_attempt_that_runs_is_finished_and_recorded_before_its_call_ends() {
    let rows = MemoryBackend::default();
    let engine = engine(&rows, tools()).await;
    let first = submit(&engine, "works").await;
    let id = first.id;
    BEGUN.acquire().await.expect("open").forget();
    let interrupted = engine.interrupt(id, cancelled()).await.expect("a readable store").expect("it is there");
    // The first interruption counts.
    let late = Interruption::TimedOut { limit: Duration::ZERO };
    engine.interrupt(id, late).await.expect("a readable store").expect("it is there");
    MAY_END.add_permits(1);
    assert!(is_cancelled(&interrupted.answer().await));
    let (records, _) = engine.journal(id).await.expect("a readable journal");
    let ended = records.iter().filter(|record| matches!(record, Record::Ended { .. })).count();
    let slept = records.iter().filter(|record| matches!(record, Record::Operated { .. })).count();
    assert_eq!((ended, slept), (1, 0), "{records:#?}");
}

#[tokio::test]
async fn a_call_whose_client_does_not_come_back_is_cancelled_by_the_server_that_saw_it_go() {
    let limits = Limits { suspension: Duration::from_millis(1), ..Limits::default() };
    let engine = engine_with(limits, &MemoryBackend::default(), tools()).await;
    let id = asleep(&engine).await;
    engine.suspend(id).await.expect("a readable store");
    while rows_left(&engine, id).await > 0 {
        tokio::task::yield_now().await;
    }
    let answer = engine.follow(id).await.expect("a readable store").expect("it is there").answer().await;
    assert!(matches!(conclusion(&answer), Conclusion::Cancelled { .. }), "{answer:?}");
}

#[tokio::test]
async fn a_call_whose_client_has_gone_does_not_go_on_because_a_wait_ends_that_was_before() {
    let engine = engine(&MemoryBackend::default(), tools()).await;
    let id = asleep(&engine).await;
    engine.suspend(id).await.expect("a readable store");
    evicted(&engine, id).await;
    time_comes(&engine, id).await;
    evicted(&engine, id).await;
    assert!(matches!(row(&engine, id).await, Some(Unfinished::Suspended { .. })));
    // Its client is back.
    drop(submit(&engine, "sleeps").await);
    evicted(&engine, id).await;
    assert!(row(&engine, id).await.expect("it sleeps").wake_at().is_some());
}

#[tokio::test]
async fn what_was_due_while_a_person_held_it_goes_on_after_that() {
    let engine = engine(&MemoryBackend::default(), tools()).await;
    let id = asleep(&engine).await;
    let held = engine.hold(id).expect("it is out of memory");
    let mut over = Batch::default();
    over.put(Keyspace::Unfinished, id.as_bytes().to_vec(), codec::encode(&Unfinished::Suspended { until: 0 }));
    engine.commit(over).await.expect("a sound store");
    time_comes(&engine, id).await;
    assert_eq!(rows_left(&engine, id).await, 1);
    drop(held);
    while rows_left(&engine, id).await > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_parked_call_stays_parked_when_its_client_goes() {
    let engine = engine(&MemoryBackend::default(), tools()).await;
    let parked = submit(&engine, "parks").await;
    let id = parked.id;
    assert!(matches!(parked.answer().await, Answer::Parked { .. }));
    let before = row(&engine, id).await;
    engine.suspend(id).await.expect("a readable store");
    evicted(&engine, id).await;
    assert!(matches!(before, Some(Unfinished::Parked { .. })));
    assert_eq!(row(&engine, id).await, before);
}

#[tokio::test]
async fn a_call_that_is_being_undone_does_not_wait_for_its_client() {
    let limits = Limits { suspension: Duration::ZERO, ..Limits::default() };
    let engine = engine_with(limits, &MemoryBackend::default(), tools()).await;
    let waiting = submit(&engine, "undone").await;
    let id = waiting.id;
    drop(waiting);
    evicted(&engine, id).await;
    drop(engine.interrupt(id, cancelled()).await.expect("a readable store"));
    UNDOING.acquire().await.expect("open").forget();
    engine.suspend(id).await.expect("a readable store");
    MAY_UNDO.add_permits(1);
    // It panics then, and is run again.
    while rows_left(&engine, id).await > 0 {
        tokio::task::yield_now().await;
    }
    assert!(is_cancelled(&engine.follow(id).await.expect("a readable store").expect("it is there").answer().await));
}
