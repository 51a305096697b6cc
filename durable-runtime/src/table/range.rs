//! Which keys of a table are read.

use std::ops::{Range, RangeFrom, RangeFull, RangeTo};

mod sealed {
    pub trait Sealed {}
}

/// A range of keys as a table's reads take it: `"a".."m"`, `"a"..`, `.."m"` or `..`, of `&str` or `String`, or a [`Prefix`].
///
/// The first bound is where reading starts, and is included; the second is where it ends, and is not. In a reverse
/// range the first is the larger.
pub trait KeyRange: sealed::Sealed {
    /// Where reading starts, included.
    fn start(&self) -> Option<&str>;
    /// Where it ends, excluded.
    fn end(&self) -> Option<&str>;
    /// What all its keys begin with, in place of bounds.
    fn prefix(&self) -> Option<&str> {
        None
    }
}

/// The range of the keys that begin with a text, in either direction. All keys begin with `""`.
///
/// ```
/// use durable_runtime::prelude::*;
/// use durable_runtime::{Prefix, Store};
///
/// const JOBS: SortedMap<u32> = SortedMap::new("jobs");
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Error> {
/// let store = Store::in_memory()?;
/// JOBS.insert(&store, [("mail/1", 1), ("mail/2", 2), ("print/1", 3)]).await?;
/// assert_eq!(JOBS.count(&store, Prefix("mail/")).await?, 2);
/// assert_eq!(JOBS.reverse_range(&store, Prefix("mail/"), 1).await?, [("mail/2".to_owned(), 2)]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix<K>(pub K);

impl<K: AsRef<str>> sealed::Sealed for Prefix<K> {}
impl<K: AsRef<str>> KeyRange for Prefix<K> {
    fn start(&self) -> Option<&str> {
        None
    }
    fn end(&self) -> Option<&str> {
        None
    }
    fn prefix(&self) -> Option<&str> {
        Some(self.0.as_ref())
    }
}

impl<K: AsRef<str>> sealed::Sealed for Range<K> {}
impl<K: AsRef<str>> KeyRange for Range<K> {
    fn start(&self) -> Option<&str> {
        Some(self.start.as_ref())
    }
    fn end(&self) -> Option<&str> {
        Some(self.end.as_ref())
    }
}

impl<K: AsRef<str>> sealed::Sealed for RangeFrom<K> {}
impl<K: AsRef<str>> KeyRange for RangeFrom<K> {
    fn start(&self) -> Option<&str> {
        Some(self.start.as_ref())
    }
    fn end(&self) -> Option<&str> {
        None
    }
}

impl<K: AsRef<str>> sealed::Sealed for RangeTo<K> {}
impl<K: AsRef<str>> KeyRange for RangeTo<K> {
    fn start(&self) -> Option<&str> {
        None
    }
    fn end(&self) -> Option<&str> {
        Some(self.end.as_ref())
    }
}

impl sealed::Sealed for RangeFull {}
impl KeyRange for RangeFull {
    fn start(&self) -> Option<&str> {
        None
    }
    fn end(&self) -> Option<&str> {
        None
    }
}
