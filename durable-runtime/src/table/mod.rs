//! Tables: named, persistent, ordered maps.

pub(crate) mod operation;
pub(crate) mod overlay;
mod range;
mod sorted_map;
pub(crate) mod transaction;

pub use operation::{ReadTables, TableOperation, WriteTables};
pub use range::KeyRange;
pub use sorted_map::{Encoding, Json, Raw, SortedMap};
pub use transaction::Transaction;
