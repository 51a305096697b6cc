//! The budgets of commits, counted.
#![allow(clippy::unused_async, reason = "a step is an async function, whether it waits or not")]

mod support;

use std::collections::BTreeSet;
use std::time::Duration;

use durable_runtime::prelude::*;
use durable_runtime::store::{Batch, Keyspace, MemoryBackend, Row, Scan, StoreError, SyncBackend};
use serde_json::json;

use self::support::{server, server_on};

const NOTES: SortedMap<String> = SortedMap::new("notes");

async fn work(_cx: &StepContext) -> Result<u32, ToolError> {
    Ok(1)
}

async fn note(cx: &StepContext, key: &str) -> Result<(), ToolError> {
    NOTES.insert(cx, [(key, "noted".to_owned())]).await?;
    NOTES.insert(cx, [(format!("{key} again"), "noted".to_owned())]).await?;
    Ok(())
}

/// Makes five at-least-once steps.
#[durable_tool]
async fn five_at_least(cx: &DurableContext) -> Result<u32, ToolError> {
    let mut sum = 0;
    for round in 0..5 {
        #[once(at_least, key = round)]
        let one = work(cx).await?;
        sum += one;
    }
    Ok(sum)
}

/// Makes five at-most-once steps.
#[durable_tool]
async fn five_at_most(cx: &DurableContext) -> Result<u32, ToolError> {
    let mut sum = 0;
    for round in 0..5 {
        #[once(at_most, key = round)]
        let one = work(cx).await?;
        sum += one;
    }
    Ok(sum)
}

/// Makes no step.
#[durable_tool]
async fn no_step(_cx: &DurableContext) -> Result<u32, ToolError> {
    Ok(0)
}

/// Only reads.
#[durable_tool(read_only)]
async fn read_only(cx: &ReadContext) -> Result<usize, ToolError> {
    Ok(NOTES.range(cx, .., 10).await?.len())
}

/// Writes two rows inside each of two steps.
#[durable_tool]
async fn writes_in_steps(cx: &DurableContext) -> Result<usize, ToolError> {
    #[once(at_least, name = "first")]
    note(cx, "a").await?;
    #[once(at_most, name = "second")]
    note(cx, "b").await?;
    Ok(2)
}

/// Reads between two steps.
#[durable_tool]
async fn reads_between_steps(cx: &DurableContext) -> Result<usize, ToolError> {
    #[once(at_least, name = "first")]
    note(cx, "a").await?;
    let seen = NOTES.range(cx, .., 10).await?.len();
    let one = NOTES.get(cx, "a").await?;
    #[once(at_least, name = "second")]
    note(cx, "b").await?;
    Ok(seen + usize::from(one.is_some()))
}

/// Writes three times in its body.
#[durable_tool]
async fn writes_in_body(cx: &DurableContext) -> Result<usize, ToolError> {
    NOTES.insert(cx, [("a", "1".to_owned()), ("b", "2".to_owned())]).await?;
    NOTES.remove(cx, ["a"]).await?;
    NOTES.insert(cx, [("c", "3".to_owned())]).await?;
    Ok(NOTES.range(cx, .., 10).await?.len())
}

/// Commits of one call of a tool, and what the tool gave.
async fn commits_of(tool: &str) -> (u64, serde_json::Value) {
    let server = server()
        .tool(five_at_least)
        .tool(five_at_most)
        .tool(no_step)
        .tool(read_only)
        .tool(writes_in_steps)
        .tool(reads_between_steps)
        .tool(writes_in_body)
        .open()
        .await
        .expect("a server");
    let before = server.commit_counts().groups;
    let answer = server.call(tool, json!({})).await.expect("an answer");
    (server.commit_counts().groups - before, answer.result.expect("a value"))
}

#[tokio::test]
async fn a_tool_with_k_steps_in_sequence_commits_k_plus_one_times() {
    assert_eq!(commits_of("five_at_least").await, (6, json!(5)));
    assert_eq!(commits_of("five_at_most").await, (6, json!(5)));
    assert_eq!(commits_of("no_step").await, (1, json!(0)));
}

#[tokio::test]
async fn a_read_only_tool_commits_nothing() {
    assert_eq!(commits_of("read_only").await, (0, json!(0)));
}

#[tokio::test]
async fn table_writes_inside_steps_cost_no_commit() {
    assert_eq!(commits_of("writes_in_steps").await, (3, json!(2)));
}

#[tokio::test]
async fn table_reads_in_a_body_cost_no_commit_and_see_what_is_not_durable_yet() {
    assert_eq!(commits_of("reads_between_steps").await, (3, json!(3)));
}

#[tokio::test]
async fn each_table_write_in_a_body_costs_at_most_one_commit() {
    assert_eq!(commits_of("writes_in_body").await, (4, json!(2)));
}

#[tokio::test]
async fn calls_at_once_share_their_commits() {
    const CALLS: u64 = 64;
    let server = server_on(SlowDisk::default()).tool(five_at_least).open().await.expect("a server");
    let before = server.commit_counts();
    let calls: Vec<_> =
        (0..CALLS).map(|_| tokio::spawn(server.call("five_at_least", json!({})).into_future())).collect();
    for call in calls {
        let answer = call.await.expect("no panic").expect("an answer");
        assert_eq!(answer.result.expect("a value"), json!(5));
    }
    let after = server.commit_counts();
    assert_eq!(after.batches - before.batches, CALLS * 6);
    let groups = after.groups - before.groups;
    assert!(groups <= 2 * 6, "{groups} groups for {CALLS} calls of 6 batches");
}

/// A disk whose sync takes so long that everything else is waiting by then.
#[derive(Default)]
struct SlowDisk(MemoryBackend);

impl SyncBackend for SlowDisk {
    fn get(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.0.get(keyspace, key)
    }

    fn get_many(&self, keyspace: Keyspace, keys: &[Vec<u8>]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        self.0.get_many(keyspace, keys)
    }

    fn scan(&self, scan: &Scan) -> Result<Vec<Row>, StoreError> {
        self.0.scan(scan)
    }

    fn count(&self, scan: &Scan, except: &BTreeSet<Vec<u8>>) -> Result<u64, StoreError> {
        self.0.count(scan, except)
    }

    fn commit_group(&self, group: &[&Batch]) -> Result<Vec<Result<(), usize>>, StoreError> {
        std::thread::sleep(Duration::from_millis(40));
        self.0.commit_group(group)
    }

    fn close(&self) {}
}
