//! Tables: named, persistent, ordered maps.

mod alias;
mod encoding;
pub(crate) mod operation;
pub(crate) mod overlay;
mod page;
mod range;
pub(crate) mod request;
mod sorted_map;
mod store;
pub(crate) mod transaction;

pub use encoding::{Encoding, Json, Raw};
pub use operation::{ReadTables, TableOperation, WriteTables};
pub use page::Page;
pub use range::{KeyRange, Prefix};
pub use sorted_map::SortedMap;
pub use store::{OpenStore, Store};
pub use transaction::Transaction;
