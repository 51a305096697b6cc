//! What can be done with tables, and from which contexts.

use super::overlay::{self, Overlay};
use crate::error::Error;
use crate::operation::Operation;
use crate::store::{Row, Scan, Store, StoreError};

/// A context that tables can be read from: [`DurableContext`](crate::DurableContext),
/// [`StepContext`](crate::StepContext) and [`ReadContext`](crate::ReadContext).
#[diagnostic::on_unimplemented(
    message = "tables are read with the context of a tool, a step or a read-only tool, and `{Self}` is none",
    label = "not a context"
)]
pub trait ReadTables: sealed::Reads {}

/// A context that tables can be written from: [`DurableContext`](crate::DurableContext) and
/// [`StepContext`](crate::StepContext).
#[diagnostic::on_unimplemented(
    message = "tables are written with the context of a tool or a step, and `{Self}` is neither",
    label = "this context cannot write",
    note = "a `read_only` tool has no effects; take `read_only` away and `cx: &DurableContext` to write"
)]
pub trait WriteTables: ReadTables + sealed::Writes {}

/// A question to one table.
pub struct ReadRequest {
    pub(crate) name: String,
    pub(crate) key: String,
    pub(crate) prefix: usize,
    pub(crate) scan: Scan,
}

/// A change of one table.
pub struct WriteRequest {
    pub(crate) name: String,
    pub(crate) key: String,
    pub(crate) rows: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

pub(crate) mod sealed {
    use std::future::Future;
    use std::pin::Pin;

    use super::{Error, ReadRequest, Row, WriteRequest};

    pub(crate) type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>>;

    pub trait Reads: Sync {
        fn read(&self, request: ReadRequest) -> Answer<'_, Vec<Row>>;
    }

    pub trait Writes: Reads {
        fn write(&self, request: WriteRequest) -> Answer<'_, ()>;
    }
}

/// The future of a table's operation. In a tool's body it is a durable operation of its own, and needs no marker.
pub type TableOperation<'a, T> = Operation<'a, Result<T, Error>>;

/// The rows that a request is answered with, keys without the table's prefix; `written` gives the writes over the store
/// that matter to a scan or, as a scan of one row, to a key.
pub(crate) async fn answer(
    store: &dyn Store,
    request: ReadRequest,
    written: impl FnOnce(&Scan) -> Overlay,
) -> Result<Vec<Row>, StoreError> {
    let ReadRequest { prefix, scan, .. } = request;
    let over = written(&scan);
    let mut rows = overlay::scan(store, over, scan).await?;
    for (key, _) in &mut rows {
        key.drain(..prefix);
    }
    Ok(rows)
}
