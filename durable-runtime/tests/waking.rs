//! How many invocations go on at once by themselves, after a start or because their waits are over.

#![allow(clippy::unused_async, reason = "a step is an async function, whether it waits or not")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use durable_runtime::prelude::*;
use durable_runtime::store::{GroupCommit, MemoryBackend, SyncBackend};
use durable_runtime::{InvocationState, Limits};
use serde_json::json;
use tokio::sync::Semaphore;

use self::support::{FaultyBackend, HeldClock, Process};

const AN_HOUR: Duration = Duration::from_secs(60 * 60);

/// What holds bodies back after their wait, and counts them.
struct Gate {
    open: Semaphore,
    bodies: AtomicUsize,
    most: AtomicUsize,
    come: AtomicUsize,
    ended: AtomicUsize,
}

impl Gate {
    fn closed() -> Arc<Self> {
        Arc::new(Self {
            open: Semaphore::new(0),
            bodies: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
            come: AtomicUsize::new(0),
            ended: AtomicUsize::new(0),
        })
    }

    fn opened() -> Arc<Self> {
        let gate = Self::closed();
        gate.open.add_permits(Semaphore::MAX_PERMITS);
        gate
    }

    /// A body is in memory until this is dropped.
    fn body(self: &Arc<Self>) -> Body {
        let bodies = self.bodies.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(bodies, Ordering::SeqCst);
        Body(Arc::clone(self))
    }

    async fn pass(&self) {
        self.come.fetch_add(1, Ordering::SeqCst);
        drop(self.open.acquire().await);
        self.ended.fetch_add(1, Ordering::SeqCst);
    }
}

struct Body(Arc<Gate>);

impl Drop for Body {
    fn drop(&mut self) {
        self.0.bodies.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Sleeps for an hour, and comes to the gate.
#[durable_tool]
async fn sleeps(cx: &DurableContext, gate: State<Arc<Gate>>) -> Result<u32, ToolError> {
    let _body = gate.body();
    cx.sleep(AN_HOUR).await;
    #[once(at_least, infallible)]
    gate.pass().await;
    Ok(1)
}

/// Comes to the gate, and sleeps for an hour, twice.
#[durable_tool]
async fn sleeps_again(cx: &DurableContext, gate: State<Arc<Gate>>) -> Result<u32, ToolError> {
    cx.sleep(AN_HOUR).await;
    #[once(at_least, infallible)]
    gate.pass().await;
    cx.sleep(AN_HOUR).await;
    #[once(at_least, infallible, name = "second")]
    gate.pass().await;
    Ok(1)
}

/// Comes to the gate at once.
#[durable_tool]
async fn comes(cx: &DurableContext, gate: State<Arc<Gate>>) -> Result<u32, ToolError> {
    let _body = gate.body();
    #[once(at_least, infallible)]
    gate.pass().await;
    Ok(1)
}

/// Waits for nothing.
#[durable_tool]
async fn quick(cx: &DurableContext) -> Result<u32, ToolError> {
    #[once(at_least, infallible, name = "value")]
    let value = async { 7 }.await;
    Ok(value)
}

fn start(rows: &(impl SyncBackend + Clone), clock: &HeldClock, running: usize, gate: &Arc<Gate>) -> Process {
    let mut limits = Limits::default();
    limits.running = running;
    let store = GroupCommit::new(rows.clone()).expect("a thread");
    let builder = Server::builder("test", "0").custom_store(store).clock(clock.clone()).limits(limits);
    let builder = builder.state(Arc::clone(gate)).grace(Duration::ZERO);
    Process::start(builder.tool(sleeps).tool(sleeps_again).tool(comes).tool(quick))
}

/// Makes calls that nobody waits for, and waits until each has had a batch.
fn make(process: &Process, tool: &'static str, calls: u64) {
    let before = process.server.commit_counts().batches;
    for _ in 0..calls {
        let call = process.server.call(tool, json!({})).into_future();
        process.runtime.spawn(async { drop(tokio::time::timeout(Duration::from_millis(1), call).await) });
    }
    while process.server.commit_counts().batches < before + calls {
        std::thread::yield_now();
    }
}

fn until(count: &AtomicUsize, wanted: usize) {
    while count.load(Ordering::SeqCst) < wanted {
        std::thread::yield_now();
    }
}

/// A store with so many that sleep, and the clock at the end of that.
fn asleep(tool: &'static str, calls: u64) -> (MemoryBackend, HeldClock) {
    let (rows, clock) = (MemoryBackend::default(), HeldClock::default());
    let process = start(&rows, &clock, 100_000, &Gate::opened());
    make(&process, tool, calls);
    // Nothing of it is there when the clock moves.
    process.runtime.shutdown_timeout(Duration::from_secs(60));
    clock.advance(2 * AN_HOUR);
    (rows, clock)
}

#[test]
fn of_those_that_wake_at_once_few_are_in_memory_and_all_come_to_their_end() {
    let (rows, clock) = asleep("sleeps", 3000);
    let gate = Gate::opened();
    let process = start(&rows, &clock, 10_000, &gate);
    until(&gate.ended, 3000);
    let most = gate.most.load(Ordering::SeqCst);
    assert!(most <= 256, "{most} bodies were in memory at once");
    process.kill();
}

#[test]
fn slow_ones_leave_room_for_new_calls_and_hold_the_next_one_up_for_its_turn_only() {
    let (rows, clock) = asleep("sleeps", 1000);
    let gate = Gate::closed();
    // More than are taken up at once: what waits in an attempt makes room for the next.
    let process = start(&rows, &clock, 600, &gate);
    until(&gate.come, 300);
    let value = process.runtime.block_on(process.server.call("quick", json!({})).into_future()).expect("not busy");
    assert_eq!(value.result, Ok(json!(7)));
    assert_eq!((gate.come.load(Ordering::SeqCst), gate.most.load(Ordering::SeqCst)), (300, 300));
    // They never end, and yet it is the turn of others.
    let mut turns = 0;
    while gate.come.load(Ordering::SeqCst) < 303 {
        assert!(gate.come.load(Ordering::SeqCst) <= 300 + turns);
        clock.advance(Duration::from_secs(10));
        turns += 1;
        std::thread::yield_now();
    }
    gate.open.add_permits(Semaphore::MAX_PERMITS);
    until(&gate.ended, 1000);
    process.kill();
}

#[test]
fn one_that_waits_for_long_again_keeps_no_place() {
    let (rows, clock) = asleep("sleeps_again", 20);
    let gate = Gate::opened();
    // Of those that go on by themselves there is one in memory.
    let process = start(&rows, &clock, 2, &gate);
    until(&gate.ended, 20);
    assert_eq!(gate.come.load(Ordering::SeqCst), 20, "none has come to its second step, for the clock stands");
    process.kill();
}

#[test]
fn none_is_lost_when_the_store_fails_as_they_are_read() {
    let (rows, clock) = (MemoryBackend::default(), HeldClock::default());
    let process = start(&rows, &clock, 100, &Gate::opened());
    make(&process, "sleeps", 3);
    process.runtime.shutdown_timeout(Duration::from_secs(60));
    let faulty = FaultyBackend { rows, ..FaultyBackend::default() };
    let gate = Gate::opened();
    let process = start(&faulty, &clock, 100, &gate);
    faulty.fails.store(true, Ordering::SeqCst);
    clock.advance(2 * AN_HOUR);
    // All at once, and then each alone.
    until(&faulty.failures, 4);
    faulty.fails.store(false, Ordering::SeqCst);
    while gate.ended.load(Ordering::SeqCst) < 3 {
        clock.advance(Duration::from_millis(100));
        std::thread::yield_now();
    }
    process.kill();
}

#[test]
fn calls_find_an_invocation_whose_turn_has_not_come() {
    let (rows, clock) = (MemoryBackend::default(), HeldClock::default());
    let first = start(&rows, &clock, 100, &Gate::closed());
    let call =
        |process: &Process, key: &str| process.server.call("comes", json!({})).idempotency_key(key).into_future();
    for key in ["one", "two", "three"] {
        drop(
            first.runtime.block_on(async { tokio::time::timeout(Duration::from_millis(50), call(&first, key)).await }),
        );
    }
    first.kill();
    let gate = Gate::closed();
    let process = start(&rows, &clock, 2, &gate);
    until(&gate.come, 1);
    let ids = process.runtime.block_on(process.server.invocations().unfinished(None, 10)).expect("a page").invocations;
    assert_eq!((ids.len(), gate.come.load(Ordering::SeqCst)), (3, 1));
    // Its client is back, and a person cancels another one.
    let two = process.runtime.spawn(call(&process, "two"));
    until(&gate.come, 2);
    process.runtime.block_on(process.server.invocations().cancel(ids[2].id, "not wanted")).expect("cancelled");
    gate.open.add_permits(Semaphore::MAX_PERMITS);
    let answer = process.runtime.block_on(two).expect("it does not panic").expect("an answer");
    assert_eq!(answer.result, Ok(json!(1)));
    let one = process.runtime.block_on(call(&process, "one")).expect("an answer");
    assert_eq!(one.result, Ok(json!(1)));
    let ended = process.runtime.block_on(process.server.invocations().ended(None, 10)).expect("a page").invocations;
    assert_eq!((ended.len(), gate.come.load(Ordering::SeqCst)), (3, 2));
    process.kill();
}

fn unclean_ends(process: &Process) -> Vec<u32> {
    let page = process.runtime.block_on(process.server.invocations().unfinished(None, 10)).expect("a page");
    let ends = page.invocations.iter().map(|found| match found.state {
        InvocationState::Running { unclean_ends } => unclean_ends,
        _ => panic!("{found:?}"),
    });
    ends.collect()
}

#[test]
fn a_death_is_not_counted_for_one_whose_turn_had_not_come() {
    let (rows, clock) = (MemoryBackend::default(), HeldClock::default());
    let first = start(&rows, &clock, 100, &Gate::closed());
    make(&first, "comes", 2);
    first.kill();
    // Both have run, and one does again.
    let gate = Gate::closed();
    let second = start(&rows, &clock, 2, &gate);
    until(&gate.come, 1);
    assert_eq!(unclean_ends(&second), [1, 0]);
    second.kill();
    // The first is a suspect, which has no place, and so the other one runs, for the first time since it was cut off.
    let gate = Gate::closed();
    let third = start(&rows, &clock, 2, &gate);
    until(&gate.come, 2);
    assert_eq!(unclean_ends(&third), [2, 1]);
    third.kill();
}

#[test]
fn a_clean_stop_makes_void_what_was_counted_and_needs_no_turn_for_that() {
    let (rows, clock) = (MemoryBackend::default(), HeldClock::default());
    let first = start(&rows, &clock, 100, &Gate::closed());
    make(&first, "comes", 2);
    first.kill();
    for _ in 0..12 {
        let gate = Gate::closed();
        let killed = start(&rows, &clock, 100, &gate);
        until(&gate.come, 2);
        assert_eq!(unclean_ends(&killed), [1, 1]);
        killed.runtime.block_on(killed.server.shutdown());
        // It is killed before any of them runs: the only place is for the first.
        let gate = Gate::closed();
        let stopped = start(&rows, &clock, 2, &gate);
        until(&gate.come, 1);
        assert_eq!(unclean_ends(&stopped), [0, 0]);
        stopped.kill();
    }
}

/// A store with two invocations that have died twice: they are suspects.
fn two_suspects() -> (MemoryBackend, HeldClock) {
    let (rows, clock) = (MemoryBackend::default(), HeldClock::default());
    for counted in 0..2 {
        let gate = Gate::closed();
        let killed = start(&rows, &clock, 100, &gate);
        if counted == 0 {
            make(&killed, "comes", 2);
        }
        until(&gate.come, 2);
        killed.kill();
    }
    (rows, clock)
}

#[test]
fn a_clean_stop_takes_all_suspicion_off_one_whose_turn_had_not_come() {
    let (rows, clock) = two_suspects();
    let gate = Gate::closed();
    let process = start(&rows, &clock, 100, &gate);
    until(&gate.come, 1);
    assert_eq!(unclean_ends(&process), [2, 2]);
    process.runtime.block_on(process.server.shutdown());
    // Were it a suspect, it would come in a turn of its own, and be counted still.
    let gate = Gate::closed();
    let process = start(&rows, &clock, 100, &gate);
    until(&gate.come, 2);
    assert_eq!(unclean_ends(&process), [0, 0]);
    process.kill();
}
