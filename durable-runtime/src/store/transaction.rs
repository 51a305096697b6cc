//! What is decided within a commit: a function that reads what the commit will stand on, and adds writes to it.

use std::fmt;
use std::sync::Arc;

use super::{Keyspace, Row, Scan, StoreError, Write};

/// The store within a commit: all batches before this one, and the batch's own writes.
pub trait View {
    /// The value of a row.
    ///
    /// # Errors
    ///
    /// The store's.
    fn get(&mut self, keyspace: Keyspace, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// The first rows of a scan.
    ///
    /// # Errors
    ///
    /// The store's.
    fn scan(&mut self, scan: &Scan) -> Result<Vec<Row>, StoreError>;
}

/// A function of a [`Transaction`].
pub trait Transact: Send + Sync + 'static {
    /// Gives the writes that join the batch's. It has no effect besides, for a store may run it more than once before
    /// one run of it is durable.
    ///
    /// # Errors
    ///
    /// Those of the view, and no others: the commit fails then.
    fn run(&self, view: &mut dyn View) -> Result<Vec<Write>, StoreError>;
}

/// A function that the store runs within a commit, so that nothing changes between what it reads and what it writes.
#[derive(Clone)]
pub struct Transaction(Arc<dyn Transact>);

impl Transaction {
    /// A transaction that runs this function.
    pub fn new(function: impl Transact) -> Self {
        Self(Arc::new(function))
    }

    /// Runs it; for a store, within its commit.
    ///
    /// # Errors
    ///
    /// Those of the view.
    pub fn run(&self, view: &mut dyn View) -> Result<Vec<Write>, StoreError> {
        self.0.run(view)
    }
}

impl fmt::Debug for Transaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction").finish_non_exhaustive()
    }
}

/// The same function, not one that does the same.
impl PartialEq for Transaction {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Transaction {}
