//! Transactions: functions over several tables that the store's writer runs, one after another.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use parking_lot::Mutex;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::encoding::Encoding;
use super::overlay::{self, Overlay};
use super::range::KeyRange;
use super::request::check_key;
use super::sorted_map::SortedMap;
use super::store::Store;
use crate::error::{Error, ErrorKind};
use crate::store::{self, Keyspace, Row, Scan, StoreError, View};

/// The tables inside a transaction: what is read here is what the commit stands on, and what is written becomes visible
/// with the function's `Ok`, or not at all.
///
/// It is what [`DurableContext::transaction`](crate::DurableContext::transaction) gives its function.
pub struct Transaction<'a> {
    view: &'a mut dyn View,
    /// What transactions of the same commit wrote before, and this one did.
    writes: Overlay,
    failure: Option<StoreError>,
}

impl fmt::Debug for Transaction<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction").finish_non_exhaustive()
    }
}

impl Transaction<'_> {
    /// The value under a key.
    ///
    /// # Errors
    ///
    /// As of [`SortedMap::get`].
    pub fn get<V, E>(&mut self, table: &SortedMap<V, E>, key: impl AsRef<str>) -> Result<Option<V>, Error>
    where
        V: Send + Sync,
        E: Encoding<V>,
    {
        let key = key.as_ref();
        check_key(table.name(), key)?;
        let row_key = table.row_key(key);
        let value = match self.writes.get(&row_key) {
            Some(written) => written.clone(),
            None => self.view.get(Keyspace::Table, &row_key).map_err(|error| self.failed(error))?,
        };
        let Some(value) = value else { return Ok(None) };
        table.decode((key.as_bytes().to_vec(), value)).map(|(_, value)| Some(value))
    }

    /// Entries in ascending order of their keys, `limit` at most.
    ///
    /// # Errors
    ///
    /// As of [`SortedMap::range`].
    pub fn range<V, E>(
        &mut self,
        table: &SortedMap<V, E>,
        range: impl KeyRange,
        limit: usize,
    ) -> Result<Vec<(String, V)>, Error>
    where
        V: Send + Sync,
        E: Encoding<V>,
    {
        self.scan(table, &range, limit, false)
    }

    /// Entries in descending order of their keys, `limit` at most.
    ///
    /// # Errors
    ///
    /// As of [`SortedMap::reverse_range`].
    pub fn reverse_range<V, E>(
        &mut self,
        table: &SortedMap<V, E>,
        range: impl KeyRange,
        limit: usize,
    ) -> Result<Vec<(String, V)>, Error>
    where
        V: Send + Sync,
        E: Encoding<V>,
    {
        self.scan(table, &range, limit, true)
    }

    /// Puts entries, in place of those that have their keys.
    ///
    /// # Errors
    ///
    /// As of [`SortedMap::insert`].
    pub fn insert<V, E, K: Into<String>>(
        &mut self,
        table: &SortedMap<V, E>,
        entries: impl IntoIterator<Item = (K, V)>,
    ) -> Result<(), Error>
    where
        V: Send + Sync,
        E: Encoding<V>,
    {
        let rows = entries
            .into_iter()
            .map(|(key, value)| {
                let key = key.into();
                let value = table.encode(&key, &value)?;
                Ok((key, Some(value)))
            })
            .collect::<Result<Vec<_>, Error>>()?;
        self.write(table.write_request("insert", rows)?.rows);
        Ok(())
    }

    /// Removes entries. Keys that are not there are ignored.
    ///
    /// # Errors
    ///
    /// As of [`SortedMap::remove`].
    pub fn remove<V, E, K: Into<String>>(
        &mut self,
        table: &SortedMap<V, E>,
        keys: impl IntoIterator<Item = K>,
    ) -> Result<(), Error>
    where
        V: Send + Sync,
        E: Encoding<V>,
    {
        let rows = keys.into_iter().map(|key| (key.into(), None)).collect();
        self.write(table.write_request("remove", rows)?.rows);
        Ok(())
    }

    fn scan<V, E>(
        &mut self,
        table: &SortedMap<V, E>,
        range: &impl KeyRange,
        limit: usize,
        descending: bool,
    ) -> Result<Vec<(String, V)>, Error>
    where
        V: Send + Sync,
        E: Encoding<V>,
    {
        let Some(request) = table.scan_request("range", range, limit, descending)? else { return Ok(Vec::new()) };
        self.read(request.scan, request.prefix)?.into_iter().map(|row| table.decode(row)).collect()
    }

    fn read(&mut self, scan: Scan, prefix: usize) -> Result<Vec<Row>, Error> {
        let over = self.writes.within(&scan);
        let mut rows = overlay::scan_within(self.view, over, scan).map_err(|error| self.failed(error))?;
        for (key, _) in &mut rows {
            key.drain(..prefix);
        }
        Ok(rows)
    }

    /// The function ends with this error or without; the commit fails in either case.
    fn failed(&mut self, error: StoreError) -> Error {
        self.failure.get_or_insert(error.clone());
        error.into()
    }

    fn write(&mut self, rows: Vec<(Vec<u8>, Option<Vec<u8>>)>) {
        for (key, value) in rows {
            self.writes.write(key, value);
        }
    }
}

/// What a transaction's function gave, as JSON of its `Result`, and the writes that go with it.
pub(crate) enum Decided {
    /// The writes are those of this transaction and of the ones before it in the commit.
    Recorded {
        result: Vec<u8>,
        writes: Overlay,
    },
    /// Its result cannot be recorded; nothing of it is kept.
    Unrecordable {
        code: &'static str,
        reason: String,
    },
    Panicked(Box<dyn Any + Send>),
}

type Run = dyn FnMut(&mut dyn View, Overlay, usize) -> Result<Decided, StoreError> + Send;

/// The function of a transaction, whatever its types are.
#[derive(Clone)]
pub(crate) struct Function(Arc<Mutex<Box<Run>>>);

impl Function {
    pub(crate) fn new<T, E>(function: impl Fn(&mut Transaction<'_>) -> Result<T, E> + Send + 'static) -> Self
    where
        T: Serialize,
        E: Serialize,
    {
        Self(Arc::new(Mutex::new(Box::new(move |view, writes, limit| {
            let before = writes.clone();
            let mut transaction = Transaction { view, writes, failure: None };
            let ended = catch_unwind(AssertUnwindSafe(|| function(&mut transaction)));
            if let Some(failure) = transaction.failure {
                return Err(failure);
            }
            let result = match ended {
                Ok(result) => result,
                Err(panic) => return Ok(Decided::Panicked(panic)),
            };
            let writes = if result.is_ok() { transaction.writes } else { before };
            Ok(match serde_json::to_vec(&result) {
                Ok(json) if json.len() > limit => Decided::Unrecordable {
                    code: "result_too_large",
                    reason: format!("has {} bytes as JSON, and {limit} is the most; return less", json.len()),
                },
                Ok(result) => Decided::Recorded { result, writes },
                Err(error) => Decided::Unrecordable {
                    code: "result_not_recordable",
                    reason: format!("does not serialize to JSON: {error}; deploy a type that does"),
                },
            })
        }))))
    }

    /// Runs it within a commit, over what was written before in the same one.
    pub(crate) fn run(&self, view: &mut dyn View, writes: Overlay, limit: usize) -> Result<Decided, StoreError> {
        (self.0.lock())(view, writes, limit)
    }
}

/// A transaction outside of tools, which no journal records.
struct Outside {
    function: Function,
    decided: Arc<Mutex<Option<Decided>>>,
}

impl store::Transact for Outside {
    fn run(&self, view: &mut dyn View) -> Result<Vec<store::Write>, StoreError> {
        let mut decided = self.function.run(view, Overlay::default(), usize::MAX)?;
        let writes = match &mut decided {
            Decided::Recorded { writes, .. } => std::mem::take(writes),
            Decided::Unrecordable { .. } | Decided::Panicked(_) => Overlay::default(),
        };
        *self.decided.lock() = Some(decided);
        let write = |(key, value)| store::Write { keyspace: Keyspace::Table, key, value };
        Ok(writes.into_rows().map(write).collect())
    }
}

impl Store {
    /// Runs a function over several tables in one commit, as
    /// [`DurableContext::transaction`](crate::DurableContext::transaction) does in a tool.
    ///
    /// ```
    /// use durable_runtime::prelude::*;
    /// use durable_runtime::Store;
    ///
    /// const STOCK: SortedMap<u32> = SortedMap::new("stock");
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), ToolError> {
    /// let store = Store::in_memory()?;
    /// let left = store
    ///     .transaction(|tx| {
    ///         let left = tx.get(&STOCK, "pear")?.unwrap_or(0) + 12;
    ///         tx.insert(&STOCK, [("pear", left)])?;
    ///         Ok::<_, ToolError>(left)
    ///     })
    ///     .await?;
    /// assert_eq!(left, 12);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The function's own, and as of every operation outside of tools `store_unavailable`.
    ///
    /// # Panics
    ///
    /// When the function does; nothing is written then.
    pub async fn transaction<T, E, F>(&self, function: F) -> Result<T, E>
    where
        T: Serialize + DeserializeOwned,
        E: Serialize + DeserializeOwned + From<Error>,
        F: Fn(&mut Transaction<'_>) -> Result<T, E> + Send + 'static,
    {
        let decided = Arc::new(Mutex::new(None));
        let outside = Outside { function: Function::new(function), decided: Arc::clone(&decided) };
        let batch = store::Batch { transaction: Some(store::Transaction::new(outside)), ..store::Batch::default() };
        self.commit(batch).await?;
        let decided = decided.lock().take();
        match decided {
            Some(Decided::Recorded { result, .. }) => serde_json::from_slice(&result).map_err(|error| {
                let message = format!("what the transaction gave does not decode from its own JSON: {error}");
                Error::new(ErrorKind::FixProgram, "value_not_decodable", message)
            })?,
            Some(Decided::Unrecordable { reason, .. }) => {
                let message = format!("nothing of the transaction is kept, for its result {reason}");
                Err(Error::new(ErrorKind::FixProgram, "value_not_encodable", message).into())
            }
            Some(Decided::Panicked(panic)) => std::panic::resume_unwind(panic),
            None => Err(Error::from(StoreError::unavailable("the store did not run the transaction")).into()),
        }
    }
}
