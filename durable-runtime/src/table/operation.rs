//! What can be done with tables, and from which contexts.

use super::overlay::{self, Overlay};
use crate::error::Error;
use crate::operation::Operation;
use crate::store::{Row, Scan, Store, StoreError};

/// A context that tables can be read from: [`DurableContext`](crate::DurableContext),
/// [`StepContext`](crate::StepContext), [`ReadContext`](crate::ReadContext), and outside of tools a
/// [`Store`](crate::Store).
#[diagnostic::on_unimplemented(
    message = "tables are read with the context of a tool, a step or a read-only tool, and `{Self}` is none",
    label = "not a context"
)]
pub trait ReadTables: sealed::Reads {}

/// A context that tables can be written from: [`DurableContext`](crate::DurableContext),
/// [`StepContext`](crate::StepContext), and outside of tools a [`Store`](crate::Store).
#[diagnostic::on_unimplemented(
    message = "tables are written with the context of a tool or a step, and `{Self}` is neither",
    label = "this context cannot write",
    note = "a `read_only` tool has no effects; take `read_only` away and `cx: &DurableContext` to write"
)]
pub trait WriteTables: ReadTables + sealed::Writes {}

/// By what a replay finds an operation of a body again.
#[derive(Default)]
pub(crate) struct OperationName {
    pub(crate) name: String,
    pub(crate) key: String,
    /// The key is the author's alias, and so must not come twice.
    pub(crate) is_alias: bool,
}

/// A question to one table about rows that lie together.
pub struct ReadRequest {
    pub(crate) operation: OperationName,
    pub(crate) prefix: usize,
    pub(crate) scan: Scan,
}

/// A question to one table about the values of some keys.
pub struct GetRequest {
    pub(crate) operation: OperationName,
    pub(crate) keys: Vec<Vec<u8>>,
}

/// A change of one table.
pub struct WriteRequest {
    pub(crate) operation: OperationName,
    pub(crate) rows: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

pub(crate) mod sealed {
    use std::future::Future;
    use std::pin::Pin;

    use super::{Error, GetRequest, ReadRequest, Row, WriteRequest};

    pub(crate) type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>>;

    pub trait Reads: Sync {
        fn read(&self, request: ReadRequest) -> Answer<'_, Vec<Row>>;

        /// The values of the keys, in their order, as they are stored.
        fn get_many(&self, request: GetRequest) -> Answer<'_, Vec<Option<Vec<u8>>>>;

        /// How many rows there are within the bounds of the request; its limit means nothing.
        fn count(&self, request: ReadRequest) -> Answer<'_, u64>;
    }

    pub trait Writes: Reads {
        fn write(&self, request: WriteRequest) -> Answer<'_, ()>;
    }
}

/// The future of a table's operation. In a tool's body it is a durable operation of its own, and needs no marker.
pub type TableOperation<'a, T> = Operation<'a, Result<T, Error>>;

/// The rows that a request is answered with, keys without the table's prefix; `over` are the writes over the store that
/// matter to its scan.
pub(crate) async fn answer(store: &dyn Store, request: ReadRequest, over: Overlay) -> Result<Vec<Row>, StoreError> {
    let ReadRequest { prefix, scan, .. } = request;
    let mut rows = overlay::scan(store, over, scan).await?;
    for (key, _) in &mut rows {
        key.drain(..prefix);
    }
    Ok(rows)
}
