//! Transactions of a body: serializable, all or nothing, recorded once.

mod support;

use std::sync::atomic::{AtomicU32, Ordering};

use durable_runtime::prelude::*;
use durable_runtime::store::MemoryBackend;
use serde::{Deserialize, Serialize};
use serde_json::json;

use self::support::{FaultyBackend, Process, server, server_on, slow_server};

const ACCOUNTS: SortedMap<u64> = SortedMap::new("accounts");
const LEDGER: SortedMap<String> = SortedMap::new("ledger");

/// Adds one to an account, and says so in the ledger.
#[durable_tool]
async fn deposit(cx: &DurableContext, account: String) -> Result<u64, ToolError> {
    cx.transaction(move |tx| {
        let balance = tx.get(&ACCOUNTS, &account)?.unwrap_or(0) + 1;
        tx.insert(&ACCOUNTS, [(account.as_str(), balance)])?;
        tx.insert(&LEDGER, [(format!("{account} {balance:05}"), "deposit".to_owned())])?;
        Ok::<_, ToolError>(balance)
    })
    .await
}

/// What is in both tables.
#[durable_tool(read_only)]
async fn balances(cx: &ReadContext) -> Result<(Vec<(String, u64)>, usize), ToolError> {
    Ok((ACCOUNTS.range(cx, .., 100).await?, LEDGER.range(cx, .., 1000).await?.len()))
}

async fn balances_of(server: &Server) -> serde_json::Value {
    server.call("balances", json!({})).await.expect("an answer").result.expect("a value")
}

async fn deposits_at_once(server: &Server, calls: usize) {
    let calls: Vec<_> =
        (0..calls).map(|_| tokio::spawn(server.call("deposit", json!({ "account": "ada" })).into_future())).collect();
    for call in calls {
        call.await.expect("no panic").expect("an answer").result.expect("a value");
    }
}

#[tokio::test]
async fn transactions_at_once_lose_no_update() {
    let server = server().tool(deposit).tool(balances).open().await.expect("a server");
    deposits_at_once(&server, 200).await;
    assert_eq!(balances_of(&server).await, json!([[["ada", 200]], 200]));
}

#[tokio::test]
async fn transactions_at_once_lose_no_update_in_a_file() {
    let directory = tempfile::tempdir().expect("a directory");
    let builder = Server::builder("test", "0").store(directory.path().join("bank.redb"));
    let server = builder.tool(deposit).tool(balances).open().await.expect("a server");
    deposits_at_once(&server, 200).await;
    assert_eq!(balances_of(&server).await, json!([[["ada", 200]], 200]));
}

#[tokio::test]
async fn a_transaction_costs_one_commit() {
    let server = server().tool(deposit).open().await.expect("a server");
    let before = server.commit_counts().groups;
    server.call("deposit", json!({ "account": "ada" })).await.expect("an answer").result.expect("a value");
    // The admission is in the transaction's commit; the result is the other one.
    assert_eq!(server.commit_counts().groups - before, 2);
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum TransferError {
    Insufficient { balance: u64 },
    Other(String),
}

impl From<Error> for TransferError {
    fn from(error: Error) -> Self {
        Self::Other(error.to_string())
    }
}

static TRANSFERS: AtomicU32 = AtomicU32::new(0);
static PANICS_LEFT: AtomicU32 = AtomicU32::new(2);

fn take_too_much(tx: &mut Transaction<'_>) -> Result<(), TransferError> {
    TRANSFERS.fetch_add(1, Ordering::SeqCst);
    tx.insert(&ACCOUNTS, [("ada", 0), ("bob", 1000)])?;
    tx.remove(&LEDGER, ["ada 00001"])?;
    Err(TransferError::Insufficient { balance: 7 })
}

/// Takes more than there is, after it has written.
#[durable_tool]
async fn overdraw(cx: &DurableContext) -> Result<String, ToolError> {
    let taken = cx.transaction(take_too_much).await;
    #[allow_nondeterminism]
    let left = PANICS_LEFT.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
    assert!(left.is_err(), "not yet");
    Ok(format!("{taken:?}"))
}

#[tokio::test]
async fn a_transaction_that_fails_writes_nothing_and_a_replay_gives_its_error_again() {
    let server = server().tool(deposit).tool(overdraw).tool(balances).open().await.expect("a server");
    deposits_at_once(&server, 1).await;
    let answer = server.call("overdraw", json!({})).await.expect("an answer");
    assert_eq!(answer.result, Ok(json!("Err(Insufficient { balance: 7 })")));
    assert_eq!(TRANSFERS.load(Ordering::SeqCst), 1, "the function ran again in a replay");
    assert_eq!(balances_of(&server).await, json!([[["ada", 1]], 1]));
}

/// Looks at its own writes, in several ways.
#[durable_tool]
async fn look(cx: &DurableContext) -> Result<Vec<String>, ToolError> {
    ACCOUNTS.insert(cx, [("ada", 1), ("bob", 2), ("cid", 3)]).await?;
    cx.transaction(|tx| {
        tx.remove(&ACCOUNTS, ["bob"])?;
        tx.insert(&ACCOUNTS, [("dot", 4)])?;
        let up = tx.range(&ACCOUNTS, "b".., 2)?;
        let down = tx.reverse_range(&ACCOUNTS, .., 2)?;
        let gone = tx.get(&ACCOUNTS, "bob")?;
        let there = tx.get(&ACCOUNTS, "ada")?;
        let refused = tx.range(&ACCOUNTS, .., 0).expect_err("no limit");
        Ok::<_, ToolError>(vec![
            format!("{up:?}"),
            format!("{down:?}"),
            format!("{gone:?} {there:?}"),
            refused.code().to_owned(),
        ])
    })
    .await
}

#[tokio::test]
async fn a_transaction_reads_its_own_writes_and_those_before_it() {
    let server = server().tool(look).open().await.expect("a server");
    let answer = server.call("look", json!({})).await.expect("an answer");
    let seen = json!([r#"[("cid", 3), ("dot", 4)]"#, r#"[("dot", 4), ("cid", 3)]"#, "None Some(1)", "limit_zero"]);
    assert_eq!(answer.result, Ok(seen));
}

/// Two transactions in one batch.
#[durable_tool]
async fn both(cx: &DurableContext) -> Result<(u64, u64), ToolError> {
    let (one, other) = try_join!(count_up(cx, 1), count_up(cx, 10))?;
    Ok((one, other))
}

#[durable]
async fn count_up(cx: &DurableContext, by: u64) -> Result<u64, ToolError> {
    cx.transaction(move |tx| {
        let sum = tx.get(&ACCOUNTS, "sum")?.unwrap_or(0) + by;
        tx.insert(&ACCOUNTS, [("sum", sum)])?;
        Ok::<_, ToolError>(sum)
    })
    .await
}

#[tokio::test]
async fn transactions_of_one_batch_see_each_other() {
    let server = server().tool(both).open().await.expect("a server");
    let before = server.commit_counts().groups;
    let answer = server.call("both", json!({})).await.expect("an answer");
    assert_eq!(answer.result, Ok(json!([1, 11])));
    assert_eq!(server.commit_counts().groups - before, 2);
}

static RUNS: AtomicU32 = AtomicU32::new(0);

/// Panics in its transaction, after a write.
#[durable_tool]
async fn panicking(cx: &DurableContext) -> Result<(), ToolError> {
    let there = ACCOUNTS.get(cx, "eve").await?;
    cx.transaction(move |tx| panic_after_a_write(tx, there)).await
}

fn panic_after_a_write(tx: &mut Transaction<'_>, there: Option<u64>) -> Result<(), ToolError> {
    RUNS.fetch_add(1, Ordering::SeqCst);
    tx.insert(&ACCOUNTS, [("eve", 1)])?;
    assert!(there.is_some(), "nobody is there");
    Ok(())
}

#[tokio::test]
async fn a_panic_in_a_transaction_writes_nothing_hurts_nobody_else_and_parks_its_call_in_the_end() {
    let server = server().tool(panicking).tool(deposit).tool(balances).open().await.expect("a server");
    let panicking = tokio::spawn(server.call("panicking", json!({})).into_future());
    deposits_at_once(&server, 50).await;
    let error = panicking.await.expect("no panic").expect_err("it is parked");
    assert_eq!(error.code(), "invocation_parked");
    assert!(error.to_string().contains("nobody is there"), "{error}");
    assert_eq!(RUNS.load(Ordering::SeqCst), 10);
    assert_eq!(balances_of(&server).await, json!([[["ada", 50]], 50]));
}

/// Gives more than can be recorded.
#[durable_tool]
async fn verbose(cx: &DurableContext) -> Result<usize, ToolError> {
    let text = cx
        .transaction(|tx| {
            tx.insert(&ACCOUNTS, [("eve", 1)])?;
            Ok::<_, ToolError>("x".repeat(5 << 20))
        })
        .await?;
    Ok(text.len())
}

#[tokio::test]
async fn a_transaction_whose_result_cannot_be_recorded_writes_nothing_and_parks_its_call() {
    let server = server().tool(verbose).tool(balances).open().await.expect("a server");
    let error = server.call("verbose", json!({})).await.expect_err("it is parked");
    assert!(error.to_string().contains("5242889 bytes"), "{error}");
    assert_eq!(balances_of(&server).await, json!([[], 0]));
}

#[tokio::test]
async fn a_store_that_fails_is_no_value_and_the_transaction_is_made_when_it_works_again() {
    let backend = FaultyBackend::default();
    let server = server_on(backend.clone()).tool(deposit).tool(balances).open().await.expect("a server");
    backend.fails.store(true, Ordering::SeqCst);
    let call = server.call("deposit", json!({ "account": "ada" })).idempotency_key("k");
    call.await.expect_err("the store fails");
    backend.fails.store(false, Ordering::SeqCst);
    let call = server.call("deposit", json!({ "account": "ada" })).idempotency_key("k");
    assert_eq!(call.await.expect("an answer").result, Ok(json!(1)));
    assert_eq!(balances_of(&server).await, json!([[["ada", 1]], 1]));
}

mod old {
    use super::*;

    /// Counts, and waits.
    #[durable_tool]
    pub(crate) async fn named(cx: &DurableContext) -> Result<u64, ToolError> {
        let sum = cx.transaction(|tx| super::add(tx, 1)).idempotently("count").await?;
        cx.sleep(std::time::Duration::from_secs(3600)).await;
        Ok(sum)
    }
}

mod new {
    use super::*;

    /// Counts, and waits; a release later it does something else first.
    #[durable_tool]
    pub(crate) async fn named(cx: &DurableContext) -> Result<u64, ToolError> {
        cx.transaction(|tx| super::add(tx, 100)).idempotently("before").await?;
        let sum = cx.transaction(|tx| super::add(tx, 1)).idempotently("count").await?;
        cx.sleep(std::time::Duration::from_secs(3600)).await;
        Ok(sum)
    }
}

fn add(tx: &mut Transaction<'_>, by: u64) -> Result<u64, ToolError> {
    let sum = tx.get(&ACCOUNTS, "sum")?.unwrap_or(0) + by;
    tx.insert(&ACCOUNTS, [("sum", sum)])?;
    Ok(sum)
}

#[test]
fn a_named_transaction_is_found_after_a_restart_with_another_in_front_of_it() {
    let rows = MemoryBackend::default();
    let first = Process::start(slow_server(&rows).tool(old::named));
    first.begin("named", json!({}));
    first.wait_for_commits(4);
    first.kill();
    let last = Process::start(server_on(rows).tool(new::named).tool(balances));
    let call = last.server.call("named", json!({})).idempotency_key("k");
    let answer = last.runtime.block_on(call.into_future()).expect("an answer");
    assert_eq!(answer.result, Ok(json!(1)));
    assert_eq!(last.runtime.block_on(balances_of(&last.server)), json!([[["sum", 101]], 0]));
}
