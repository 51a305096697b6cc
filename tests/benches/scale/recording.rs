//! A store in memory that keeps the batches it was given: what a call writes.

use std::collections::BTreeSet;
use std::sync::Arc;

use durable_examples::bench::{five_at_least, five_at_most};
use durable_runtime::Error;
use durable_runtime::prelude::Server;
use durable_runtime::store::{
    Batch, Commit, CommitCounts, CommitError, GroupCommit, Keyspace, MemoryBackend, Read, Row, Scan, Store, StoreError,
    StoreFuture,
};
use parking_lot::Mutex;
use serde_json::json;

struct Recording {
    store: GroupCommit<MemoryBackend>,
    batches: Arc<Mutex<Vec<Batch>>>,
}

impl Read for Recording {
    fn get(&self, keyspace: Keyspace, key: Vec<u8>) -> StoreFuture<'_, Result<Option<Vec<u8>>, StoreError>> {
        self.store.get(keyspace, key)
    }

    fn get_many(
        &self,
        keyspace: Keyspace,
        keys: Vec<Vec<u8>>,
    ) -> StoreFuture<'_, Result<Vec<Option<Vec<u8>>>, StoreError>> {
        self.store.get_many(keyspace, keys)
    }

    fn scan(&self, scan: Scan) -> StoreFuture<'_, Result<Vec<Row>, StoreError>> {
        self.store.scan(scan)
    }

    fn count(&self, scan: Scan, except: BTreeSet<Vec<u8>>) -> StoreFuture<'_, Result<u64, StoreError>> {
        self.store.count(scan, except)
    }
}

impl Commit for Recording {
    fn commit(&self, batch: Batch) -> StoreFuture<'static, Result<(), CommitError>> {
        self.batches.lock().push(batch.clone());
        self.store.commit(batch)
    }

    fn counts(&self) -> CommitCounts {
        self.store.counts()
    }
}

impl Store for Recording {
    fn close(&self) -> StoreFuture<'_, ()> {
        self.store.close()
    }
}

/// The batches of one call that is alone, and the bytes of its invocation's id, which its rows' keys begin with.
pub(crate) async fn batches_of_a_call(tool: &str) -> Result<(Vec<Batch>, [u8; 16]), Error> {
    let batches = Arc::new(Mutex::new(Vec::new()));
    let store = Recording { store: GroupCommit::new(MemoryBackend::default())?, batches: Arc::clone(&batches) };
    let server = Server::builder("scale", "1.0.0");
    let server = server.custom_store(store).tool(five_at_least).tool(five_at_most).open().await?;
    batches.lock().clear();
    let answer = server.call(tool, json!({ "name": "call 123456" })).await?;
    let recorded = std::mem::take(&mut *batches.lock());
    server.shutdown().await;
    let id = answer.invocation.expect("a tool with steps has an invocation").as_uuid().into_bytes();
    Ok((recorded, id))
}
