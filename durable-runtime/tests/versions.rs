//! What becomes of calls that an older build began: each change of the code, with the outcome that `docs/store.md` tells.

#![allow(clippy::unused_async, reason = "a step is an async function, whether it waits or not")]

mod support;

use std::fmt::{Debug, Write as _};
use std::sync::{Mutex, Once, PoisonError};
use std::time::Duration;

use durable_runtime::prelude::*;
use durable_runtime::store::MemoryBackend;
use durable_runtime::{Limits, StepOutcome, Tool, Unfit};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tracing::field::{Field, Visit};
use tracing::span;

use self::support::{Process, effect, effects, server_on, slow_server};

async fn work(cx: &StepContext, run: &str) -> Result<u32, ToolError> {
    effect(run, cx);
    Ok(7)
}

async fn hang(cx: &StepContext, run: &str) -> Result<u32, ToolError> {
    effect(run, cx);
    std::future::pending().await
}

/// The build that begins the calls: each stops in the step `ship`.
mod old {
    use super::*;

    /// Ships an order.
    #[durable_tool]
    pub(crate) async fn ship(cx: &DurableContext, run: String) -> Result<u32, ToolError> {
        #[once(at_least, name = "pack")]
        let packed = work(cx, &run).await?;
        #[once(at_most, name = "charge")]
        let charged = work(cx, &run).await?;
        #[once(at_least, name = "ship")]
        let shipped = hang(cx, &run).await?;
        Ok(packed + charged + shipped)
    }
}

mod added {
    use super::*;

    /// Ships an order.
    #[durable_tool]
    pub(crate) async fn ship(cx: &DurableContext, run: String) -> Result<u32, ToolError> {
        #[once(at_least, name = "weigh")]
        let weighed = work(cx, &run).await?;
        #[once(at_least, name = "pack")]
        let packed = work(cx, &run).await?;
        #[once(at_most, name = "charge")]
        let charged = work(cx, &run).await?;
        #[once(at_least, name = "ship")]
        let shipped = work(cx, &run).await?;
        Ok(weighed + packed + charged + shipped)
    }
}

mod removed {
    use super::*;

    /// Ships an order.
    #[durable_tool]
    pub(crate) async fn ship(cx: &DurableContext, run: String) -> Result<u32, ToolError> {
        #[once(at_most, name = "charge")]
        let charged = work(cx, &run).await?;
        #[once(at_least, name = "ship")]
        let shipped = work(cx, &run).await?;
        Ok(charged + shipped)
    }
}

mod renamed {
    use super::*;

    /// Ships an order.
    #[durable_tool]
    pub(crate) async fn ship(cx: &DurableContext, run: String) -> Result<u32, ToolError> {
        #[once(at_least, name = "pack")]
        let packed = work(cx, &run).await?;
        #[once(at_most, name = "pay")]
        let charged = work(cx, &run).await?;
        #[once(at_least, name = "ship")]
        let shipped = work(cx, &run).await?;
        Ok(packed + charged + shipped)
    }
}

mod reordered {
    use super::*;

    /// Ships an order.
    #[durable_tool]
    pub(crate) async fn ship(cx: &DurableContext, run: String) -> Result<u32, ToolError> {
        #[once(at_least, name = "ship")]
        let shipped = work(cx, &run).await?;
        #[once(at_most, name = "charge")]
        let charged = work(cx, &run).await?;
        #[once(at_least, name = "pack")]
        let packed = work(cx, &run).await?;
        Ok(packed + charged + shipped)
    }
}

mod of_another_kind {
    use super::*;

    /// Ships an order.
    #[durable_tool]
    pub(crate) async fn ship(cx: &DurableContext, run: String) -> Result<u32, ToolError> {
        #[once(at_least, name = "pack")]
        let packed = work(cx, &run).await?;
        #[once(at_least, name = "charge")]
        let charged = work(cx, &run).await?;
        Ok(packed + charged)
    }
}

mod retyped {
    use super::*;

    async fn receipt(cx: &StepContext, run: &str) -> Result<String, ToolError> {
        effect(run, cx);
        Ok("receipt".into())
    }

    /// Ships an order.
    #[durable_tool]
    pub(crate) async fn ship(cx: &DurableContext, run: String) -> Result<String, ToolError> {
        #[once(at_most, name = "charge")]
        let charged = receipt(cx, &run).await?;
        Ok(charged)
    }
}

mod with_more_arguments {
    use super::*;

    /// Ships an order.
    #[durable_tool]
    pub(crate) async fn ship(cx: &DurableContext, run: String, express: bool) -> Result<bool, ToolError> {
        #[once(at_least, name = "ship")]
        work(cx, &run).await?;
        Ok(express)
    }
}

mod with_more_arguments_and_a_default {
    use super::*;

    /// Ships an order.
    #[durable_tool]
    pub(crate) async fn ship(
        cx: &DurableContext,
        run: String,
        #[arg(default = false)] express: bool,
    ) -> Result<bool, ToolError> {
        #[once(at_least, name = "ship")]
        work(cx, &run).await?;
        Ok(express)
    }
}

mod patched {
    use super::*;

    /// Ships an order.
    #[durable_tool]
    pub(crate) async fn ship(cx: &DurableContext, run: String) -> Result<String, ToolError> {
        let is_new = cx.patched("pay later");
        if !is_new {
            #[once(at_most, name = "charge")]
            work(cx, &run).await?;
        }
        #[once(at_least, name = "ship")]
        work(cx, &run).await?;
        if is_new {
            #[once(at_most, name = "charge later")]
            work(cx, &run).await?;
        }
        Ok(if is_new { "new" } else { "old" }.into())
    }
}

/// Begins a call with the old build, kills that in the step `ship`, and gives its rows.
fn begun(run: &str) -> MemoryBackend {
    let rows = MemoryBackend::default();
    let process = Process::start(slow_server(&rows).tool(old::ship));
    process.begin("ship", json!({ "run": run }));
    while effects(run).len() < 3 {
        std::thread::yield_now();
    }
    process.kill();
    assert_eq!(effects(run), ["pack 1", "charge 1", "ship 1"]);
    rows
}

/// What a call gives that the old build began and another one goes on with.
fn gives<T: Tool>(run: &str, rows: &MemoryBackend, tool: impl FnOnce() -> T) -> Result<Value, String> {
    let process = Process::start(server_on(rows.clone()).tool(tool));
    let call = process.server.call("ship", json!({ "run": run })).idempotency_key("k");
    let answer = process.runtime.block_on(call.into_future());
    process.runtime.block_on(process.server.shutdown());
    let answer = answer.map_err(|error| error.to_string())?;
    answer.result.map_err(|failure| failure.message)
}

fn effects_after(run: &str) -> Vec<String> {
    effects(run).split_off(3)
}

fn parked<T: Debug>(result: Result<T, String>, code: &str) {
    let text = result.expect_err("parked");
    assert!(text.starts_with("invocation_parked") && text.contains(&format!("({code})")), "{text}");
}

#[test]
fn an_added_step_runs_and_those_that_ran_do_not() {
    let rows = begun("added");
    assert_eq!(gives("added", &rows, added::ship), Ok(json!(28)));
    assert_eq!(effects_after("added"), ["weigh 1", "ship 1"]);
}

#[test]
fn a_removed_step_is_passed_over() {
    let rows = begun("removed");
    assert_eq!(gives("removed", &rows, removed::ship), Ok(json!(14)));
    assert_eq!(effects_after("removed"), ["ship 1"]);
}

#[test]
fn a_renamed_step_is_a_new_one_and_runs() {
    let rows = begun("renamed");
    assert_eq!(gives("renamed", &rows, renamed::ship), Ok(json!(21)));
    assert_eq!(effects_after("renamed"), ["pay 1", "ship 1"]);
}

#[test]
fn steps_in_another_order_keep_their_outcomes() {
    let rows = begun("reordered");
    assert_eq!(gives("reordered", &rows, reordered::ship), Ok(json!(21)));
    assert_eq!(effects_after("reordered"), ["ship 1"]);
}

#[test]
fn a_step_of_another_kind_parks_and_goes_on_with_its_marker() {
    let rows = begun("kind");
    parked(gives("kind", &rows, of_another_kind::ship), "step_kind_changed");
    assert_eq!(effects_after("kind"), [""; 0]);
    // What is parked for good needs a person, also when the build fits again.
    parked(gives("kind", &rows, added::ship), "step_kind_changed");
    let process = Process::start(server_on(rows.clone()).tool(added::ship));
    let invocations = process.server.invocations();
    let value = process.runtime.block_on(async {
        let id = invocations.parked(None, 1).await.expect("a page").invocations[0].id;
        invocations.retry(id).await.expect("it runs");
        invocations.result(id).await.expect("a result").result
    });
    assert_eq!(value, Ok(json!(28)));
}

#[test]
fn an_outcome_of_another_type_parks_and_a_person_can_give_one_that_is_readable() {
    let rows = begun("retyped");
    parked(gives("retyped", &rows, retyped::ship), "outcome_not_decodable");
    let process = Process::start(server_on(rows).tool(retyped::ship));
    let invocations = process.server.invocations();
    let value = process.runtime.block_on(async {
        let id = invocations.parked(None, 1).await.expect("a page").invocations[0].id;
        let other = invocations.resolve(id, "pack", StepOutcome::Value(json!("x"))).await;
        assert_eq!(other.expect_err("it has gone on with that").code(), "step_has_outcome");
        invocations.resolve(id, "charge", StepOutcome::Value(json!("7"))).await.expect("it runs");
        invocations.result(id).await.expect("a result").result
    });
    assert_eq!(value, Ok(json!("7")));
    assert_eq!(effects_after("retyped"), [""; 0]);
}

#[derive(Serialize, Deserialize)]
struct Packed {
    boxes: u32,
}

#[derive(Serialize, Deserialize)]
struct PackedAndWeighed {
    boxes: u32,
    #[serde(default)]
    weight: Option<u32>,
}

mod of_boxes {
    use super::*;

    /// Packs.
    #[durable_tool]
    pub(crate) async fn pack(cx: &DurableContext, run: String) -> Result<u32, ToolError> {
        #[once(at_most, name = "pack")]
        let packed = async { work(cx, &run).await.map(|boxes| Packed { boxes }) }.await?;
        #[once(at_least, name = "ship")]
        hang(cx, &run).await?;
        Ok(packed.boxes)
    }
}

mod of_boxes_with_weight {
    use super::*;

    /// Packs.
    #[durable_tool]
    pub(crate) async fn pack(cx: &DurableContext, run: String) -> Result<u32, ToolError> {
        #[once(at_most, name = "pack")]
        let packed = async { work(cx, &run).await.map(|boxes| PackedAndWeighed { boxes, weight: Some(1) }) }.await?;
        Ok(packed.boxes + packed.weight.unwrap_or(100))
    }
}

#[test]
fn an_outcome_whose_type_has_grown_a_field_with_a_default_is_read() {
    let rows = MemoryBackend::default();
    let process = Process::start(slow_server(&rows).tool(of_boxes::pack));
    process.begin("pack", json!({ "run": "boxes" }));
    while effects("boxes").len() < 2 {
        std::thread::yield_now();
    }
    process.kill();
    let process = Process::start(server_on(rows).tool(of_boxes_with_weight::pack));
    let call = process.server.call("pack", json!({ "run": "boxes" })).idempotency_key("k");
    let answer = process.runtime.block_on(call.into_future()).expect("an answer");
    assert_eq!(answer.result, Ok(json!(107)));
}

#[test]
fn arguments_that_do_not_fit_wait_for_a_build_that_they_fit() {
    let rows = begun("arguments");
    let process = Process::start(slow_server(&rows).tool(with_more_arguments::ship));
    let unfit = process.runtime.block_on(process.server.unfit()).expect("a readable store");
    assert_eq!((unfit.len(), unfit[0].code.as_str(), unfit[0].is_certain), (1, "arguments_not_decodable", true));
    process.kill();
    assert_eq!(gives("arguments", &rows, with_more_arguments_and_a_default::ship), Ok(json!(false)));
    assert_eq!(effects_after("arguments"), ["ship 1"]);
}

#[test]
fn a_change_under_a_patch_is_for_calls_that_had_not_come_to_it() {
    let rows = begun("patched");
    assert_eq!(gives("patched", &rows, patched::ship), Ok(json!("old")));
    assert_eq!(effects_after("patched"), ["ship 1"]);
    assert_eq!(gives("patched anew", &MemoryBackend::default(), patched::ship), Ok(json!("new")));
    assert_eq!(effects("patched anew"), ["ship 1", "charge later 1"]);
}

/// What was logged, a line each.
static LOGGED: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Log;

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _infallible = write!(self.0, "{}={value:?} ", field.name());
    }
}

impl tracing::Subscriber for Log {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() <= tracing::Level::WARN
    }
    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        let mut line = Line(String::new());
        event.record(&mut line);
        LOGGED.lock().unwrap_or_else(PoisonError::into_inner).push(line.0);
    }
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

fn logged(all: &[&str]) -> bool {
    let lines = LOGGED.lock().unwrap_or_else(PoisonError::into_inner);
    lines.iter().any(|line| all.iter().all(|part| line.contains(part)))
}

fn log() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| tracing::subscriber::set_global_default(Log).expect("the first subscriber"));
}

mod waiting {
    use super::*;

    /// Waits for an hour, with a charge that is in flight when the wait begins.
    #[durable_tool]
    pub(crate) async fn wait(cx: &DurableContext, run: String) -> Result<u32, ToolError> {
        #[once(at_most, name = "charge")]
        let charged = work(cx, &run).await?;
        cx.sleep(Duration::from_secs(3600)).await;
        Ok(charged)
    }
}

mod waiting_otherwise {
    use super::*;

    /// Waits for an hour.
    #[durable_tool]
    pub(crate) async fn wait(cx: &DurableContext, run: String) -> Result<u32, ToolError> {
        #[once(at_most, name = "pay")]
        let charged = work(cx, &run).await?;
        cx.sleep(Duration::from_secs(3600)).await;
        Ok(charged)
    }
}

fn unfit_on<T: Tool>(rows: &MemoryBackend, tool: impl FnOnce() -> T) -> Vec<Unfit> {
    let process = Process::start(slow_server(rows).tool(tool));
    let unfit = process.runtime.block_on(process.server.unfit()).expect("a readable store");
    process.runtime.block_on(process.server.shutdown());
    unfit
}

#[test]
fn what_does_not_fit_is_told_at_the_start_and_not_when_its_time_comes() {
    log();
    let rows = MemoryBackend::default();
    let process = Process::start(slow_server(&rows).tool(waiting::wait));
    process.begin("wait", json!({ "run": "told" }));
    process.wait_for_commits(4);
    process.runtime.block_on(process.server.shutdown());
    assert_eq!(unfit_on(&rows, waiting::wait), []);
    let renamed = unfit_on(&rows, waiting_otherwise::wait);
    assert_eq!((renamed.len(), renamed[0].code.as_str(), renamed[0].is_certain), (1, "step_missing", false));
    assert!(renamed[0].what.contains("`charge`") && renamed[0].what.contains("`pay`"), "{}", renamed[0]);
    let gone = unfit_on(&rows, old::ship);
    assert_eq!((gone.len(), gone[0].code.as_str(), gone[0].is_certain), (1, "tool_missing", true));
    let id = gone[0].invocation.to_string();
    assert!(logged(&[&id, "tool_missing", "does not fit this build"]));
    assert_eq!(effects("told"), ["charge 1"]);
}

#[test]
fn a_step_in_doubt_that_nobody_asks_for_is_named() {
    log();
    let rows = MemoryBackend::default();
    let process = Process::start(slow_server(&rows).tool(in_flight::charge));
    process.begin("charge", json!({ "run": "unasked" }));
    while effects("unasked").is_empty() {
        std::thread::yield_now();
    }
    process.kill();
    let process = Process::start(server_on(rows).tool(without_charge::charge));
    let call = process.server.call("charge", json!({ "run": "unasked" })).idempotency_key("k");
    let answer = process.runtime.block_on(call.into_future()).expect("an answer");
    assert_eq!(answer.result, Ok(json!("unasked".len())));
    let id = answer.invocation.expect("an invocation").to_string();
    assert!(logged(&[&id, "charge", "begun, and without an outcome", "ends without coming"]));
}

mod in_flight {
    use super::*;

    /// Charges.
    #[durable_tool]
    pub(crate) async fn charge(cx: &DurableContext, run: String) -> Result<u32, ToolError> {
        #[once(at_most, name = "charge")]
        let charged = hang(cx, &run).await?;
        Ok(charged)
    }
}

mod without_charge {
    use super::*;

    /// Charges no more.
    #[durable_tool]
    pub(crate) async fn charge(_cx: &DurableContext, run: String) -> Result<usize, ToolError> {
        Ok(run.len())
    }
}

#[test]
fn a_call_that_waits_is_listed_with_what_it_waits_for_after_a_deploy_too() {
    let rows = MemoryBackend::default();
    let process = Process::start(slow_server(&rows).limits(Limits::default()).tool(waiting::wait));
    process.begin("wait", json!({ "run": "listed" }));
    process.wait_for_commits(4);
    process.runtime.block_on(process.server.shutdown());
    let process = Process::start(slow_server(&rows).tool(waiting::wait));
    let page = process.runtime.block_on(process.server.invocations().unfinished(None, 10)).expect("a page");
    assert!(page.invocations[0].to_string().contains("`sleep` ends at"), "{}", page.invocations[0]);
}
