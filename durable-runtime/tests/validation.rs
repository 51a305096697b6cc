//! Validation: what it takes for the replay of an ended call to differ.

#![allow(clippy::unused_async, reason = "a step is an async function, whether it waits or not")]

mod support;

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use durable_runtime::prelude::*;
use durable_runtime::store::MemoryBackend;
use serde_json::json;

use self::support::{effect, effects, server_on};

const NOTES: SortedMap<String> = SortedMap::new("notes");

async fn work(cx: &StepContext, run: &str) -> Result<u32, ToolError> {
    effect(run, cx);
    Ok(1)
}

/// Does a bit of everything.
#[durable_tool]
async fn sound(cx: &DurableContext, run: String) -> Result<Vec<String>, ToolError> {
    #[once(at_most)]
    work(cx, &run).await?;
    NOTES.insert(cx, [("a", "1".to_owned())]).await?;
    cx.sleep(Duration::from_millis(1)).await;
    let note = NOTES.get(cx, "a").await?.unwrap_or_default();
    Ok(vec![note, cx.now().as_millis().to_string(), cx.random().to_string(), cx.uuid7().to_string()])
}

#[durable]
async fn helped(cx: &DurableContext, run: &str) -> Result<u32, ToolError> {
    #[once(at_least)]
    let one = work(cx, run).await?;
    Ok(one)
}

/// Goes on in branches.
#[durable_tool]
async fn branched(cx: &DurableContext, run: String) -> Result<u32, ToolError> {
    let (one, two) = try_join!(helped(cx, &run), async {
        #[once(at_most, name = "two")]
        let two = work(cx, &run).await?;
        Ok(two)
    })?;
    let first = race!(
        async {
            cx.sleep(Duration::from_secs(1)).await;
            NOTES.insert(cx, [("late", String::new())]).await?;
            Ok::<_, ToolError>(10)
        },
        helped(cx, &run)
    )?;
    Ok(one + two + first)
}

static COUNTER: AtomicU32 = AtomicU32::new(0);

/// Depends on what is not recorded.
#[durable_tool]
async fn unsound(cx: &DurableContext, run: String) -> Result<u32, ToolError> {
    let round = count();
    #[once(at_least, name = "odd", key = round)]
    work(cx, &run).await?;
    Ok(round)
}

fn count() -> u32 {
    COUNTER.fetch_add(1, Ordering::SeqCst)
}

#[tokio::test]
async fn a_call_that_depends_on_what_is_recorded_has_no_differences() {
    let server = server_on(MemoryBackend::default()).tool(sound).open().await.expect("a server");
    server.call("sound", json!({ "run": "sound" })).await.expect("an answer").result.expect("a value");
    assert_eq!(server.validate().await.expect("a readable store"), []);
    assert_eq!(effects("sound").len(), 1);
}

#[tokio::test]
async fn branches_that_lost_are_no_differences() {
    let server = server_on(MemoryBackend::default()).tool(branched).open().await.expect("a server");
    let answer = server.call("branched", json!({ "run": "branched" })).await.expect("an answer");
    assert_eq!(server.validate().await.expect("a readable store"), []);
    answer.result.expect("a value");
}

#[tokio::test]
async fn what_a_replay_does_otherwise_is_reported_and_has_no_effect() {
    let server = server_on(MemoryBackend::default()).tool(unsound).open().await.expect("a server");
    let before = server.call("unsound", json!({ "run": "unsound" })).await.expect("an answer");
    assert_eq!(before.result, Ok(json!(0)));
    let commits = server.commit_counts();
    let differences = server.validate().await.expect("a readable store");
    let found: Vec<&str> = differences.iter().map(|difference| difference.what.as_str()).collect();
    assert_eq!(
        found,
        ["it comes to `odd[1]`, which it did not come to", "it does not come to `odd[0]`, which it came to"]
    );
    assert_eq!((effects("unsound").len(), server.commit_counts()), (1, commits));
}
