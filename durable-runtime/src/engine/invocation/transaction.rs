//! Transactions of a body: run within the commit of its batch, and recorded there.

use std::any::Any;
use std::sync::Arc;

use parking_lot::Mutex;

use super::Invocation;
use super::batch::Ticket;
use crate::journal::codec;
use crate::journal::identity::Identity;
use crate::journal::record::Record;
use crate::store::{self, Keyspace, StoreError, Transact, View, Write};
use crate::table::overlay::Overlay;
use crate::table::transaction::{Decided, Function};

/// How a transaction ended, once its commit is durable.
pub(crate) enum TransactionEnd {
    /// The JSON of its result.
    Recorded(Vec<u8>),
    Unrecordable {
        code: &'static str,
        reason: String,
    },
    Panicked(Box<dyn Any + Send>),
}

/// Where the writer puts how a transaction ended.
type Slot = Arc<Mutex<Option<TransactionEnd>>>;

pub(super) struct Staged {
    operation: Identity,
    function: Function,
    end: Slot,
}

impl Invocation {
    /// Runs a transaction within the batch that is being gathered, and gives how it ended.
    pub(crate) async fn transact(&self, operation: Identity, function: Function) -> TransactionEnd {
        let end = Slot::default();
        let ticket = self.stage_transaction(Staged { operation, function, end: Arc::clone(&end) });
        self.durable(ticket).await;
        let ended = end.lock().take();
        match ended {
            Some(end) => {
                if let TransactionEnd::Recorded(result) = &end {
                    self.state.lock().journal_bytes += result.len();
                }
                end
            }
            // The run is halted, and nothing that it still does counts.
            None => self.suspend().await,
        }
    }

    fn stage_transaction(&self, staged: Staged) -> Ticket {
        let mut state = self.state.lock();
        if state.halt.is_none() {
            state.transactions.push(staged);
        }
        Ticket(state.gathering)
    }

    /// The transactions of a batch as one, which also writes the batch's row of the journal.
    pub(super) fn transaction(
        &self,
        staged: Vec<Staged>,
        records: Vec<Record>,
        journal_key: Vec<u8>,
    ) -> store::Transaction {
        let result_bytes = self.surroundings.limits.outcome_bytes;
        store::Transaction::new(BatchTransaction { staged, records, journal_key, result_bytes })
    }
}

struct BatchTransaction {
    staged: Vec<Staged>,
    /// What else the batch records.
    records: Vec<Record>,
    journal_key: Vec<u8>,
    result_bytes: usize,
}

impl Transact for BatchTransaction {
    fn run(&self, view: &mut dyn View) -> Result<Vec<Write>, StoreError> {
        let mut records = self.records.clone();
        let mut written = Overlay::default();
        for staged in &self.staged {
            let end = match staged.function.run(view, written.clone(), self.result_bytes)? {
                Decided::Recorded { result, writes } => {
                    written = writes;
                    records.push(Record::Operated { operation: staged.operation.clone(), result: result.clone() });
                    TransactionEnd::Recorded(result)
                }
                Decided::Unrecordable { code, reason } => TransactionEnd::Unrecordable { code, reason },
                Decided::Panicked(panic) => TransactionEnd::Panicked(panic),
            };
            *staged.end.lock() = Some(end);
        }
        let mut writes: Vec<Write> =
            written.into_rows().map(|(key, value)| Write { keyspace: Keyspace::Table, key, value }).collect();
        if !records.is_empty() {
            let row = codec::encode(&records);
            writes.push(Write { keyspace: Keyspace::Journal, key: self.journal_key.clone(), value: Some(row) });
        }
        Ok(writes)
    }
}
