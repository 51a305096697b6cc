//! Durable functions and branches: parts of a body with scopes of their own.
#![allow(clippy::unused_async, reason = "a step is an async function, whether it waits or not")]

mod support;

use std::fmt::Display;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use durable_runtime::prelude::*;
use serde_json::json;

use self::support::{effect, effects, server};

/// Panics this many times, each time after everything before it is done.
fn panic_at_first(left: &AtomicU32) {
    let left = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
    assert!(left.is_err(), "not yet");
}

async fn work(cx: &StepContext, run: &str) -> Result<String, ToolError> {
    effect(run, cx);
    Ok(cx.idempotency_key().to_string())
}

/// Makes one step, and gives its key, which tells it from every other step.
#[durable]
async fn one_step(cx: &DurableContext, run: &str) -> Result<String, ToolError> {
    #[once(at_most)]
    let key = work(cx, run).await?;
    Ok(key)
}

#[durable(key = item)]
async fn keyed_step(cx: &DurableContext, run: &str, item: u32) -> Result<String, ToolError> {
    #[once(at_most)]
    let key = work(cx, run).await?;
    Ok(key)
}

#[durable(name = "outer")]
async fn nested(cx: &DurableContext, run: &str) -> Result<Vec<String>, ToolError> {
    let first = one_step(cx, run).await?;
    #[once(at_least)]
    let own = work(cx, run).await?;
    let second = one_step(cx, run).await?;
    Ok(vec![first, own, second])
}

static HELPERS_LEFT: AtomicU32 = AtomicU32::new(2);

/// Calls durable functions in a row, in loops, and inside of each other.
#[durable_tool]
async fn calls_helpers(cx: &DurableContext, run: String) -> Result<Vec<String>, ToolError> {
    // A step and a durable function may have one name.
    #[once(at_most, name = "one_step")]
    let own = work(cx, &run).await?;
    let first = one_step(cx, &run).await?;
    let second = one_step(cx, &run).await?;
    let mut keys = vec![own, first, second];
    for _ in 0..2 {
        keys.push(one_step(cx, &run).await?);
    }
    for item in 0..2 {
        keys.push(keyed_step(cx, &run, item).await?);
    }
    keys.extend(nested(cx, &run).await?);
    // A poll that panics records nothing, so what came before is in one that ended.
    cx.sleep(Duration::from_secs(1)).await;
    panic_at_first(&HELPERS_LEFT);
    Ok(keys)
}

#[tokio::test]
async fn each_call_of_a_durable_function_has_steps_of_its_own_and_a_replay_repeats_none() {
    let server = server().tool(calls_helpers).open().await.expect("a server");
    let answer = server.call("calls_helpers", json!({ "run": "helpers" })).await.expect("an answer");
    let mut keys: Vec<String> = serde_json::from_value(answer.result.expect("a value")).expect("texts");
    assert_eq!(keys.len(), 10);
    assert_eq!(effects("helpers").len(), 10);
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 10, "two steps had one identity");
}

#[tokio::test]
async fn calls_are_numbered_when_they_are_made_and_not_when_they_are_awaited() {
    let mut answers = Vec::new();
    let server = server().tool(numbers).open().await.expect("a server");
    for backwards in [false, true] {
        let answer = server.call("numbers", json!({ "backwards": backwards })).await.expect("an answer");
        answers.push(answer.result.expect("a value"));
    }
    assert_eq!(answers[0], json!(["numbered/work", "numbered#2/work"]));
    assert_eq!(answers[0], answers[1]);
}

#[durable(name = "numbered")]
async fn in_doubt_identity(cx: &DurableContext) -> String {
    #[once(at_most, timeout = "1ms", name = "work")]
    let never = async { std::future::pending::<Result<u32, ToolError>>().await }.await;
    let error = never.err().map(|error| error.to_string()).unwrap_or_default();
    error.split('`').nth(1).unwrap_or_default().to_owned()
}

/// Gives the identities of the steps of two calls.
#[durable_tool]
async fn numbers(cx: &DurableContext, backwards: bool) -> Result<Vec<String>, ToolError> {
    let (first, second) = (in_doubt_identity(cx), in_doubt_identity(cx));
    if backwards {
        let second = second.await;
        let first = first.await;
        Ok(vec![first, second])
    } else {
        let first = first.await;
        let second = second.await;
        Ok(vec![first, second])
    }
}

struct Shop {
    name: String,
}

impl Shop {
    /// A method that borrows from several places.
    #[durable(key = format!("{}/{label}", self.name))]
    async fn stock<'a, T>(
        &self,
        cx: &DurableContext,
        label: &'a str,
        items: &[T],
        more: impl Display,
    ) -> (usize, &'a str)
    where
        T: Display + Sync,
    {
        #[once(at_least, infallible, name = "count")]
        let count = async { items.iter().map(|item| item.to_string().len()).sum::<usize>() }.await;
        (count + more.to_string().len() + self.name.len(), label)
    }

    #[durable]
    async fn name(&self, _cx: &DurableContext) -> &str {
        &self.name
    }

    #[durable]
    async fn into_name(self, _cx: &DurableContext, (left, mut right): (u32, u32), mut last: u32) -> String {
        right += left;
        last += right;
        if last == 0 {
            return String::new();
        }
        format!("{} {last}", self.name)
    }
}

/// Calls methods.
#[durable_tool]
async fn calls_methods(cx: &DurableContext, label: String) -> Result<String, ToolError> {
    let shop = Shop { name: "shop".into() };
    let (count, label) = shop.stock(cx, &label, &[1, 22], 333_u64).await;
    let name = shop.name(cx).await.to_owned();
    let last = shop.into_name(cx, (1, 2), 3).await;
    Ok(format!("{count} {label} {name} {last}"))
}

#[tokio::test]
async fn a_durable_function_is_a_method_and_generic_and_borrows() {
    let server = server().tool(calls_methods).open().await.expect("a server");
    let answer = server.call("calls_methods", json!({ "label": "all" })).await.expect("an answer");
    assert_eq!(answer.result, Ok(json!("10 all shop shop 6")));
}

static JOINED_LEFT: AtomicU32 = AtomicU32::new(2);

const NOTES: SortedMap<String> = SortedMap::new("notes");

/// Joins branches of all kinds, in rounds.
#[durable_tool]
async fn joins(cx: &DurableContext, run: String) -> Result<Vec<String>, ToolError> {
    let mut all = Vec::new();
    for round in 0..2 {
        let (first, second, third, noted) = join!(
            async {
                #[once(at_most, name = "left", key = round)]
                let key = work(cx, &run).await?;
                let (inner, other) = try_join!(one_step(cx, &run), one_step(cx, &run.clone()))?;
                Ok::<_, ToolError>(vec![key, inner, other])
            },
            one_step(cx, &run.clone()),
            async move {
                #[once(at_least, name = "right", key = round)]
                let key = work(cx, "elsewhere").await?;
                Ok::<_, ToolError>(key)
            },
            NOTES.insert(cx, [(format!("{round}"), "noted".to_owned())]),
        );
        noted?;
        all.extend(first?);
        all.extend([second?, third?]);
    }
    cx.sleep(Duration::from_secs(1)).await;
    panic_at_first(&JOINED_LEFT);
    Ok(all)
}

#[tokio::test]
async fn joined_branches_repeat_nothing_in_a_replay() {
    let server = server().tool(joins).open().await.expect("a server");
    let answer = server.call("joins", json!({ "run": "joined" })).await.expect("an answer");
    let mut keys: Vec<String> = serde_json::from_value(answer.result.expect("a value")).expect("texts");
    assert_eq!((keys.len(), effects("joined").len(), effects("elsewhere").len()), (10, 8, 2));
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 10, "two steps had one identity");
}

/// Joins three branches of one step each.
#[durable_tool]
async fn joins_steps(cx: &DurableContext) -> Result<usize, ToolError> {
    let (a, b, c) = try_join!(one_step(cx, "counted"), one_step(cx, "counted"), one_step(cx, "counted"))?;
    Ok(a.len() + b.len() + c.len())
}

#[tokio::test]
async fn all_branches_of_a_join_share_their_commits() {
    let server = server().tool(joins_steps).open().await.expect("a server");
    let before = server.commit_counts().batches;
    let answer = server.call("joins_steps", json!({})).await.expect("an answer");
    assert_eq!(answer.result, Ok(json!(3 * 36)));
    // The admission with the three starts; the three outcomes with the result.
    assert_eq!(server.commit_counts().batches - before, 2);
}

async fn hang(cx: &StepContext, run: &str) -> Result<String, ToolError> {
    effect(run, cx);
    std::future::pending().await
}

async fn refuse(cx: &StepContext, run: &str) -> Result<String, ToolError> {
    effect(run, cx);
    Err(ToolError::new("refused"))
}

static TRIED_LEFT: AtomicU32 = AtomicU32::new(2);

/// Joins branches of which one fails while another is under way.
#[durable_tool]
async fn tries(cx: &DurableContext, run: String) -> Result<String, ToolError> {
    let tried = try_join!(
        async {
            #[once(at_most)]
            hang(cx, &run).await
        },
        async {
            #[once(at_most)]
            refuse(cx, &run).await
        },
    );
    let error = tried.expect_err("a branch failed").to_string();
    cx.sleep(Duration::from_secs(1)).await;
    panic_at_first(&TRIED_LEFT);
    Ok(error)
}

#[tokio::test]
async fn a_replay_ends_with_the_same_error_though_another_branch_is_in_doubt() {
    let server = server().tool(tries).open().await.expect("a server");
    let answer = server.call("tries", json!({ "run": "tried" })).await.expect("an answer");
    assert_eq!(answer.result, Ok(json!("refused")));
    assert_eq!(effects("tried"), ["hang 1", "refuse 1"]);
}

static RACED_LEFT: AtomicU32 = AtomicU32::new(2);

/// Races branches of which the later one ends first, and goes on.
#[durable_tool]
async fn races(cx: &DurableContext, run: String) -> Result<Vec<String>, ToolError> {
    let mut all = Vec::new();
    for round in 0..2 {
        let won = race!(
            async {
                let before = cx.random();
                if round == 1 {
                    return Ok(format!("chance: {before}"));
                }
                #[once(at_most, key = round)]
                hang(cx, &run).await
            },
            async {
                #[once(at_least, key = round)]
                work(cx, &run).await
            },
        );
        all.push(won?);
    }
    #[once(at_least, infallible, name = "tell")]
    let told = async { all.clone() }.await;
    assert_eq!(told, all, "a replay went another way");
    cx.sleep(Duration::from_secs(1)).await;
    #[allow_nondeterminism]
    let is_last = RACED_LEFT.load(Ordering::SeqCst) == 0;
    if is_last {
        all.push(format!("new: {}", cx.patched("after the race")));
    }
    panic_at_first(&RACED_LEFT);
    Ok(all)
}

#[tokio::test]
async fn a_replay_takes_the_branch_that_won() {
    let server = server().tool(races).open().await.expect("a server");
    let answer = server.call("races", json!({ "run": "raced" })).await.expect("an answer");
    let won: Vec<String> = serde_json::from_value(answer.result.expect("a value")).expect("texts");
    assert_eq!(won.len(), 3, "{won:?}");
    assert!(won[1].starts_with("chance: "), "{won:?}");
    assert_eq!(won[2], "new: true", "what a branch that lost had done is no reason to take the old way");
    assert_eq!(effects("raced"), ["hang 1", "work 1"]);
}
