//! Tables: what each context promises of them, the errors of every operation, aliases, and the store's handle.

mod support;

use std::sync::atomic::Ordering;

use durable_runtime::prelude::*;
use durable_runtime::store::{GroupCommit, MemoryBackend};
use durable_runtime::{ErrorKind, Prefix, Raw, Store};
use serde_json::json;

use self::support::{FaultyBackend, Process, server, server_on, slow_server};

const NOTES: SortedMap<u32> = SortedMap::new("notes");

async fn filled(keys: impl IntoIterator<Item = &'static str>) -> Store {
    let store = Store::in_memory().expect("a store");
    NOTES.insert(&store, keys.into_iter().zip(0..)).await.expect("written");
    store
}

fn code<T: std::fmt::Debug>(answer: Result<T, Error>) -> String {
    answer.expect_err("a mistake").code().to_owned()
}

#[tokio::test]
async fn every_read_refuses_what_cannot_be_meant() {
    let store = &filled(["a"]).await;
    let long = || "k".repeat(1025);
    for limit in [0, 100_001] {
        let expected = if limit == 0 { "limit_zero" } else { "limit_too_large" };
        assert_eq!(code(NOTES.range(store, .., limit).await), expected);
        assert_eq!(code(NOTES.reverse_range(store, .., limit).await), expected);
        assert_eq!(code(NOTES.prefix(store, "a", limit).await), expected);
        assert_eq!(code(NOTES.page(store, .., limit, None).await), expected);
        assert_eq!(code(NOTES.reverse_page(store, .., limit, None).await), expected);
    }
    assert_eq!(code(NOTES.get_many(store, vec!["a"; 100_001]).await), "limit_too_large");

    assert_eq!(code(NOTES.range(store, "b".."a", 1).await), "range_inverted");
    assert_eq!(code(NOTES.reverse_range(store, "a".."b", 1).await), "range_inverted");
    assert_eq!(code(NOTES.page(store, "b".."a", 1, None).await), "range_inverted");
    assert_eq!(code(NOTES.reverse_page(store, "a".."b", 1, None).await), "range_inverted");
    assert_eq!(code(NOTES.count(store, "b".."a").await), "range_inverted");

    assert_eq!(code(NOTES.get(store, long()).await), "key_too_large");
    assert_eq!(code(NOTES.get_many(store, ["a".to_owned(), long()]).await), "key_too_large");
    assert_eq!(code(NOTES.range(store, long().., 1).await), "key_too_large");
    assert_eq!(code(NOTES.reverse_range(store, ..long(), 1).await), "key_too_large");
    assert_eq!(code(NOTES.prefix(store, long(), 1).await), "key_too_large");
    assert_eq!(code(NOTES.count(store, ..long()).await), "key_too_large");
    assert_eq!(code(NOTES.count(store, Prefix(long())).await), "key_too_large");
    assert_eq!(code(NOTES.page(store, long().., 1, None).await), "key_too_large");
    assert_eq!(code(NOTES.reverse_page(store, long().., 1, None).await), "key_too_large");
}

#[tokio::test]
async fn every_write_refuses_what_is_too_large_and_then_writes_nothing() {
    let store = &filled([]).await;
    let bytes: SortedMap<Vec<u8>, Raw> = SortedMap::new("bytes");
    assert_eq!(code(NOTES.insert(store, [("a".to_owned(), 1), ("k".repeat(1025), 2)]).await), "key_too_large");
    assert_eq!(code(NOTES.remove(store, ["k".repeat(1025)]).await), "key_too_large");
    let large = bytes.insert(store, [("a", vec![]), ("b", vec![0; (16 << 20) + 1])]).await;
    assert_eq!(code(large), "value_too_large");
    assert_eq!(NOTES.count(store, ..).await.expect("counted") + bytes.count(store, ..).await.expect("counted"), 0);
    // The largest that is allowed comes back as it was.
    let (key, value) = ("k".repeat(1024), vec![7; 16 << 20]);
    bytes.insert(store, [(key.as_str(), value.clone())]).await.expect("written");
    assert_eq!(bytes.prefix(store, &key, 1).await.expect("read"), [(key, value)]);
}

#[tokio::test]
async fn a_value_of_another_type_is_an_error_of_every_read_and_does_not_hinder_a_count() {
    let store = &filled(["a", "b"]).await;
    let texts: SortedMap<String> = SortedMap::new("notes");
    assert_eq!(code(texts.get(store, "a").await), "value_not_decodable");
    assert_eq!(code(texts.get_many(store, ["a"]).await), "value_not_decodable");
    assert_eq!(code(texts.range(store, .., 1).await), "value_not_decodable");
    assert_eq!(code(texts.prefix(store, "", 1).await), "value_not_decodable");
    assert_eq!(code(texts.page(store, .., 1, None).await), "value_not_decodable");
    assert_eq!(texts.count(store, ..).await.expect("counted"), 2);
}

#[tokio::test]
async fn of_a_key_that_comes_twice_in_a_batch_the_last_entry_counts() {
    let store = &filled([]).await;
    NOTES.insert(store, [("a", 1), ("b", 2), ("a", 3)]).await.expect("written");
    assert_eq!(NOTES.get_many(store, ["b", "a", "c", "a"]).await.expect("read"), [Some(2), Some(3), None, Some(3)]);
}

#[tokio::test]
async fn pages_go_on_behind_the_last_key_even_if_it_is_gone() {
    let store = &filled(["a", "b", "c", "d"]).await;
    let first = NOTES.page(store, .., 2, None).await.expect("a page");
    assert_eq!(first.entries, [("a".to_owned(), 0), ("b".to_owned(), 1)]);
    NOTES.remove(store, ["b"]).await.expect("removed");
    NOTES.insert(store, [("bb", 9)]).await.expect("written");
    let second = NOTES.page(store, .., 3, first.next.as_deref()).await.expect("a page");
    assert_eq!(second.entries, [("bb".to_owned(), 9), ("c".to_owned(), 2), ("d".to_owned(), 3)]);
    assert_eq!(second.next, None);
}

#[tokio::test]
async fn a_continuation_of_another_range_or_direction_is_refused() {
    let store = &filled(["a", "b", "c"]).await;
    let next = NOTES.page(store, .., 2, None).await.expect("a page").next.expect("there is more");
    let next = Some(next.as_str());
    assert_eq!(code(NOTES.reverse_page(store, .., 1, next).await), "continuation_invalid");
    assert_eq!(code(NOTES.page(store, "c".., 1, next).await), "continuation_invalid");
    assert_eq!(code(NOTES.page(store, .."b", 1, next).await), "continuation_invalid");
    assert_eq!(code(NOTES.page(store, Prefix("c"), 1, next).await), "continuation_invalid");
    for nonsense in ["", "b", &format!(">{}", "k".repeat(1025))] {
        assert_eq!(code(NOTES.page(store, .., 1, Some(nonsense)).await), "continuation_invalid");
    }
}

/// Reads in every way what a step has written over what is stored.
#[durable_tool]
async fn reads_its_writes(cx: &DurableContext) -> Result<(), ToolError> {
    NOTES.insert(cx, [("a", 1), ("b", 2), ("c", 3)]).await?;
    #[once(at_least, name = "look", retry(attempts = 1))]
    let looked = async {
        NOTES.insert(cx, [("a", 10), ("d", 4)]).await?;
        NOTES.remove(cx, ["b", "x"]).await?;
        let found = (
            NOTES.count(cx, ..).await?,
            NOTES.count(cx, "b"..).await?,
            NOTES.get_many(cx, ["d", "b", "a"]).await?,
            NOTES.get(cx, "b").await?,
            NOTES.page(cx, .., 2, None).await?,
        );
        assert_eq!((found.0, found.1, found.2, found.3), (3, 2, vec![Some(4), None, Some(10)], None));
        assert_eq!(found.4.entries, [("a".to_owned(), 10), ("c".to_owned(), 3)]);
        assert_eq!(NOTES.page(cx, .., 2, found.4.next.as_deref()).await?.entries, [("d".to_owned(), 4)]);
        Err::<(), _>(ToolError::new("and takes them back"))
    }
    .await;
    assert!(looked.is_err_and(|error| error.to_string() == "and takes them back"));
    let counted = NOTES.count(cx, ..).await?;
    let values = NOTES.get_many(cx, ["a", "d"]).await?;
    assert_eq!((counted, values), (3, vec![Some(1), None]));
    Ok(())
}

#[tokio::test]
async fn a_step_reads_its_own_writes_in_every_way() {
    let server = server().tool(reads_its_writes).open().await.expect("a server");
    let answer = server.call("reads_its_writes", json!({})).await.expect("an answer");
    assert_eq!(answer.result, Ok(json!(null)));
    assert_eq!(server.validate().await.expect("validated"), []);
}

/// Reads, waits, and reads the same again.
#[durable_tool]
async fn reads_and_waits(cx: &DurableContext) -> Result<(u64, Vec<Option<u32>>, Option<String>), ToolError> {
    let counted = NOTES.count(cx, ..).await?;
    let found = NOTES.get_many(cx, ["a", "b"]).await?;
    let page = NOTES.reverse_page(cx, .., 1, None).await?;
    cx.sleep(std::time::Duration::from_secs(3600)).await;
    Ok((counted, found, page.next))
}

#[test]
fn a_replay_is_given_what_the_reads_gave() {
    let rows = MemoryBackend::default();
    let first = Process::start(slow_server(&rows).tool(reads_and_waits));
    let store = first.server.store();
    first.runtime.block_on(async { NOTES.insert(&store, [("a", 1), ("b", 2)]).await.expect("written") });
    let before = first.server.commit_counts().groups;
    first.begin("reads_and_waits", json!({}));
    first.wait_for_commits(before + 1);
    first.runtime.block_on(async { NOTES.remove(&store, ["a", "b"]).await.expect("removed") });
    first.kill();
    let last = Process::start(server_on(rows).tool(reads_and_waits));
    let call = last.server.call("reads_and_waits", json!({})).idempotency_key("k");
    let answer = last.runtime.block_on(call.into_future()).expect("an answer");
    assert_eq!(answer.result, Ok(json!([2, [1, 2], "<b"])));
}

mod old {
    use super::*;

    /// Counts the calls.
    #[durable_tool]
    pub(crate) async fn named(cx: &DurableContext) -> Result<u64, ToolError> {
        NOTES.idempotently("store_step1").insert(cx, [("old", 1)]).await?;
        cx.sleep(std::time::Duration::from_secs(3600)).await;
        Ok(NOTES.count(cx, ..).await?)
    }
}

mod new {
    use super::*;

    /// Counts the calls.
    #[durable_tool]
    pub(crate) async fn named(cx: &DurableContext) -> Result<u64, ToolError> {
        NOTES.idempotently("store_step1").insert(cx, [("new", 1)]).await?;
        cx.sleep(std::time::Duration::from_secs(3600)).await;
        Ok(NOTES.count(cx, ..).await?)
    }
}

#[test]
fn an_operation_with_an_alias_is_known_by_it_whatever_it_touches() {
    let rows = MemoryBackend::default();
    let first = Process::start(slow_server(&rows).tool(old::named));
    let before = first.server.commit_counts().groups;
    first.begin("named", json!({}));
    // The insert, and the sleep.
    first.wait_for_commits(before + 2);
    first.kill();
    let last = Process::start(server_on(rows).tool(new::named));
    let call = last.server.call("named", json!({})).idempotency_key("k");
    let answer = last.runtime.block_on(call.into_future()).expect("an answer");
    assert_eq!(answer.result, Ok(json!(1)), "the key of the new release was written too");
}

/// Uses aliases as often as it is told.
#[durable_tool]
async fn aliased(cx: &DurableContext, rounds: u32, distinct: bool) -> Result<u64, ToolError> {
    for round in 0..rounds {
        let alias = if distinct { format!("round {round}") } else { "round".to_owned() };
        NOTES.idempotently(&alias).insert(cx, [("a", round)]).await?;
        NOTES.idempotently(&alias).get(cx, "a").await?;
        #[once(at_least, name = "again", key = round)]
        async {
            // Here it names nothing.
            NOTES.idempotently("round").insert(cx, [("b", round)]).await?;
            NOTES.idempotently("round").insert(cx, [("c", round)]).await
        }
        .await?;
    }
    Ok(NOTES.count(cx, ..).await?)
}

#[tokio::test]
async fn an_alias_that_comes_twice_parks_the_call() {
    let server = server().tool(aliased).open().await.expect("a server");
    let answer = server.call("aliased", json!({ "rounds": 3, "distinct": true })).await.expect("an answer");
    assert_eq!(answer.result, Ok(json!(3)));
    let error = server.call("aliased", json!({ "rounds": 2, "distinct": false })).await.expect_err("parked");
    assert_eq!((error.code(), error.kind()), ("invocation_parked", ErrorKind::AskPerson));
    assert!(
        error.message().contains(
            "(duplicate_operation): the operation `notes.insert idempotently[round]` was reached twice in one call"
        ),
        "{error}"
    );
}

#[tokio::test]
async fn a_write_with_the_handle_is_one_commit_and_an_empty_one_is_none() {
    let server = server().open().await.expect("a server");
    let store = server.store();
    let before = server.commit_counts().batches;
    NOTES.insert(&store, [("a", 1), ("b", 2)]).await.expect("written");
    NOTES.remove(&store, ["a", "b"]).await.expect("removed");
    NOTES.insert(&store, [("", 0); 0]).await.expect("nothing to do");
    assert_eq!(server.commit_counts().batches - before, 2);
}

#[tokio::test]
async fn a_handle_of_a_server_does_not_close_the_servers_store() {
    let server = server().tool(reads_its_writes).open().await.expect("a server");
    let store = server.store();
    store.clone().close().await;
    server.call("reads_its_writes", json!({})).await.expect("the server goes on");
    assert_eq!(NOTES.count(&store, ..).await.expect("counted"), 3);
    server.shutdown().await;
    assert_eq!(code(NOTES.count(&store, ..).await), "store_unavailable");
    assert_eq!(code(NOTES.insert(&store, [("a", 1)]).await), "store_unavailable");
}

#[tokio::test]
async fn a_store_that_fails_is_an_error_of_the_handles_operations() {
    let backend = FaultyBackend::default();
    let fails = backend.fails.clone();
    let store = Store::custom(GroupCommit::new(backend).expect("a thread"));
    NOTES.insert(&store, [("a", 1)]).await.expect("written");
    fails.store(true, Ordering::SeqCst);
    assert_eq!(code(NOTES.insert(&store, [("b", 1)]).await), "store_unavailable");
    assert_eq!(code(NOTES.get(&store, "a").await), "store_unavailable");
    assert_eq!(code(NOTES.range(&store, .., 1).await), "store_unavailable");
    assert_eq!(code(NOTES.count(&store, ..).await), "store_unavailable");
    fails.store(false, Ordering::SeqCst);
    assert_eq!(NOTES.count(&store, ..).await.expect("counted"), 1);
}

#[tokio::test]
async fn a_file_is_held_by_one_handle_until_it_is_closed() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("notes.redb");
    let store = Store::open(&path).await.expect("a store");
    assert_eq!(code(Store::open(&path).await), "store_held");
    let server = Server::builder("test", "0").store(&path).open().await;
    assert_eq!(server.map(|_| ()).expect_err("it is held").code(), "store_held");
    NOTES.insert(&store, [("a", 1)]).await.expect("written");
    let clone = store.clone();
    store.close().await;
    assert_eq!(code(NOTES.get(&clone, "a").await), "store_unavailable");
    // What is read after the end must not have opened the file again.
    let server = Server::builder("test", "0").store(&path).open().await.expect("a server");
    assert_eq!(NOTES.get(&server.store(), "a").await.expect("read"), Some(1));
    assert_eq!(code(Store::open(&path).await), "store_held");
    server.shutdown().await;
    assert_eq!(code(Store::open(directory.path()).await), "store_not_a_file");
    assert_eq!(code(Store::open(directory.path().join("missing/a.redb")).await), "store_directory_missing");
}
