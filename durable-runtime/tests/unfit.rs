//! What `Server::unfit` says of calls that wait, when another build is opened on what an older one left.

#![allow(clippy::unused_async, reason = "a step is an async function, whether it waits or not")]

mod support;

use std::time::Duration;

use durable_runtime::prelude::*;
use durable_runtime::store::MemoryBackend;
use durable_runtime::{InvocationState, Tool, Unfit};
use serde_json::json;

use self::support::{Process, effect, effects, server_on, slow_server};

const HOUR: Duration = Duration::from_secs(3600);

async fn work(cx: &StepContext, run: &str) -> Result<u32, ToolError> {
    effect(run, cx);
    Ok(7)
}

async fn hang(cx: &StepContext, run: &str) -> Result<u32, ToolError> {
    effect(run, cx);
    std::future::pending().await
}

/// Takes a charge back, in an hour.
#[durable]
async fn refund(cx: &DurableContext, run: &str) -> Result<(), ToolError> {
    let _ = run;
    cx.sleep(HOUR).await;
    Ok(())
}

/// The build that begins the calls.
mod old {
    use super::*;

    /// Charges, and waits for an hour.
    #[durable_tool(on_cancel = refund)]
    pub(crate) async fn wait(cx: &DurableContext, run: String) -> Result<u32, ToolError> {
        #[once(at_most, name = "charge")]
        let charged = work(cx, &run).await?;
        cx.sleep(HOUR).await;
        Ok(charged)
    }

    /// Is cut off in its charge.
    #[durable_tool]
    pub(crate) async fn charge(cx: &DurableContext, run: String) -> Result<u32, ToolError> {
        #[once(at_most, name = "charge")]
        let charged = hang(cx, &run).await?;
        Ok(charged)
    }
}

mod renamed {
    use super::*;

    /// Pays, and waits for an hour.
    #[durable_tool(on_cancel = refund)]
    pub(crate) async fn wait(cx: &DurableContext, run: String) -> Result<u32, ToolError> {
        #[once(at_most, name = "pay")]
        let charged = work(cx, &run).await?;
        cx.sleep(HOUR).await;
        Ok(charged)
    }
}

mod of_another_kind {
    use super::*;

    /// Charges, perhaps twice.
    #[durable_tool]
    pub(crate) async fn wait(cx: &DurableContext, run: String) -> Result<u32, ToolError> {
        #[once(at_least, name = "charge")]
        let charged = work(cx, &run).await?;
        Ok(charged)
    }
}

mod that_ends {
    use super::*;

    /// Does nothing any more.
    #[durable_tool]
    pub(crate) async fn wait(_cx: &DurableContext, run: String) -> Result<usize, ToolError> {
        Ok(run.len())
    }

    /// Waits for an hour in place of a charge.
    #[durable_tool]
    pub(crate) async fn charge(cx: &DurableContext, run: String) -> Result<usize, ToolError> {
        cx.sleep(HOUR).await;
        Ok(run.len())
    }
}

mod that_panics {
    use super::*;

    /// Panics after its charge.
    #[durable_tool]
    pub(crate) async fn wait(cx: &DurableContext, run: String) -> Result<u32, ToolError> {
        #[once(at_most, name = "charge")]
        let charged = work(cx, &run).await?;
        assert!(charged != 7, "seven is too much");
        Ok(charged)
    }
}

/// Calls of the old build that wait outside of memory, and its process.
fn waiting(run: &str, rows: &MemoryBackend, calls: usize) -> Process {
    let process = Process::start(slow_server(rows).tool(old::wait));
    for call in 0..calls {
        let call = process.server.call("wait", json!({ "run": run })).idempotency_key(format!("{call}"));
        drop(process.runtime.spawn(call.into_future()));
    }
    while states(&process).iter().filter(|state| matches!(state, InvocationState::Waiting { .. })).count() < calls {
        std::thread::yield_now();
    }
    process
}

fn states(process: &Process) -> Vec<InvocationState> {
    let page = process.runtime.block_on(process.server.invocations().unfinished(None, 10)).expect("a page");
    page.invocations.into_iter().map(|invocation| invocation.state).collect()
}

/// Stops a process, and opens the store with another build.
fn unfit<T: Tool>(process: Process, rows: &MemoryBackend, tool: impl FnOnce() -> T) -> Vec<Unfit> {
    process.runtime.block_on(process.server.shutdown());
    drop(process);
    let process = Process::start(slow_server(rows).tool(tool));
    let unfit = process.runtime.block_on(process.server.unfit()).expect("a readable store");
    process.runtime.block_on(process.server.shutdown());
    unfit
}

/// What is said of one call that waits.
fn misfit<T: Tool>(run: &str, tool: impl FnOnce() -> T) -> Unfit {
    let rows = MemoryBackend::default();
    let mut unfit = unfit(waiting(run, &rows, 1), &rows, tool);
    assert_eq!((unfit.len(), effects(run).len()), (1, 1), "{unfit:?}");
    assert_eq!(unfit[0].tool, "wait");
    unfit.remove(0)
}

#[test]
fn a_step_that_was_renamed_is_named_with_the_one_in_its_place() {
    let renamed = misfit("renamed", renamed::wait);
    assert_eq!((renamed.code.as_str(), renamed.is_certain), ("step_missing", false));
    let (missed, new) = renamed.what.split_once("comes to").expect("both");
    assert!(missed.starts_with("its body has not come, so far,") && missed.contains("`charge`"), "{renamed}");
    assert!(new.contains("`pay`") && !new.contains("`charge`") && !new.contains("not known"), "{renamed}");
}

#[test]
fn a_body_that_ends_without_a_step_of_its_journal_is_told_apart_from_one_that_has_not_come_to_it() {
    let ends = misfit("ends", that_ends::wait);
    assert_eq!((ends.code.as_str(), ends.is_certain), ("step_missing", false));
    assert!(ends.what.starts_with("its body ends without coming to") && ends.what.contains("`charge`"), "{ends}");
}

#[test]
fn a_step_of_another_kind_is_a_misfit_for_certain() {
    let kind = misfit("kind", of_another_kind::wait);
    assert_eq!((kind.code.as_str(), kind.is_certain), ("step_kind_changed", true));
    assert!(kind.what.contains("`charge`"), "{kind}");
}

#[test]
fn a_body_that_panics_over_its_journal_is_a_misfit_for_certain() {
    let panics = misfit("panics", that_panics::wait);
    assert_eq!((panics.code.as_str(), panics.is_certain), ("unclean_ends", true));
    assert!(panics.what.contains("seven is too much"), "{panics}");
}

#[test]
fn every_call_that_does_not_fit_is_told_each_by_its_id() {
    let rows = MemoryBackend::default();
    let mut ids: Vec<_> = unfit(waiting("every", &rows, 3), &rows, renamed::wait);
    ids.sort_by_key(|unfit| unfit.invocation);
    ids.dedup_by_key(|unfit| unfit.invocation);
    assert_eq!(ids.len(), 3);
    assert_eq!(effects("every").len(), 3);
}

#[test]
fn a_call_that_is_being_undone_and_one_that_is_parked_for_good_are_left_out() {
    let rows = MemoryBackend::default();
    let process = waiting("undone", &rows, 1);
    let id =
        process.runtime.block_on(process.server.invocations().unfinished(None, 1)).expect("a page").invocations[0].id;
    process.runtime.spawn({
        let server = process.server.clone();
        async move { server.invocations().cancel(id, "nobody wants it").await }
    });
    let is_cancelled = || process.runtime.block_on(process.server.invocations().explain(id)).expect("it is there");
    while !is_cancelled().journal.iter().any(|entry| entry.record == "cancelled") {
        std::thread::yield_now();
    }
    assert_eq!(unfit(process, &rows, renamed::wait), []);

    let rows = MemoryBackend::default();
    let process = waiting("parked", &rows, 1);
    process.runtime.block_on(process.server.shutdown());
    // On this clock an hour is over at once.
    let process = Process::start(server_on(rows.clone()).tool(of_another_kind::wait));
    while !matches!(states(&process)[..], [] | [InvocationState::Parked { .. }]) {
        std::thread::yield_now();
    }
    assert_eq!(unfit(process, &rows, renamed::wait), []);
}

#[test]
fn a_step_in_doubt_that_this_build_does_not_come_to_is_said_to_be_so() {
    let rows = MemoryBackend::default();
    let process = Process::start(slow_server(&rows).tool(old::charge));
    process.begin("charge", json!({ "run": "doubt" }));
    while effects("doubt").is_empty() {
        std::thread::yield_now();
    }
    process.kill();
    let process = Process::start(slow_server(&rows).tool(that_ends::charge));
    let unfit = process.runtime.block_on(process.server.unfit()).expect("a readable store");
    assert_eq!((unfit.len(), unfit[0].code.as_str()), (1, "step_missing"));
    assert!(unfit[0].what.contains("whether the effect of `charge` has happened is not known"), "{}", unfit[0]);
    process.runtime.block_on(process.server.shutdown());
}
