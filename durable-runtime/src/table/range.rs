//! Which keys of a table are read.

use std::ops::{Range, RangeFrom, RangeFull, RangeTo};

mod sealed {
    pub trait Sealed {}
}

/// A range of keys as `range` and `reverse_range` take it: `"a".."m"`, `"a"..`, `.."m"` or `..`, of `&str` or `String`.
///
/// The first bound is where reading starts, and is included; the second is where it ends, and is not. In a reverse
/// range the first is the larger.
pub trait KeyRange: sealed::Sealed {
    /// Where reading starts, included.
    fn start(&self) -> Option<&str>;
    /// Where it ends, excluded.
    fn end(&self) -> Option<&str>;
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
