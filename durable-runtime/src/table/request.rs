//! What a table's operations ask for: its rows among those of all tables, the limits, and the identity.

use std::fmt::Write as _;
use std::ops::{Bound, RangeBounds as _};

use sha2::{Digest, Sha256};

use super::encoding::Encoding;
use super::operation::{GetRequest, OperationName, ReadRequest, WriteRequest};
use super::overlay;
use super::range::KeyRange;
use super::sorted_map::SortedMap;
use crate::error::{Error, ErrorKind};
use crate::store::{Keyspace, Row, Scan};

/// The largest key, in bytes.
const KEY_BYTES: usize = 1024;
/// The largest value, in bytes, as it is stored.
const VALUE_BYTES: usize = 16 << 20;
/// The most rows that one read gives.
const READ_ROWS: usize = 100_000;

type Bounds = (Bound<Vec<u8>>, Bound<Vec<u8>>);

impl<V, E: Encoding<V>> SortedMap<V, E> {
    /// The request of a scan; `None` when its bounds are equal, for then there is nothing to read.
    pub(crate) fn scan_request(
        &self,
        verb: &str,
        range: &impl KeyRange,
        limit: usize,
        descending: bool,
    ) -> Result<Option<ReadRequest>, Error> {
        self.check_limit(limit)?;
        let bounds = self.bounds(range, descending)?;
        let [from, to] = shown(range);
        let key = identity_key([from, "..", to, &format!("limit {limit}")]);
        Ok(self.read_request(verb, key, bounds, limit, descending))
    }

    /// The request of a page, with a row more than it gives, which says whether there is another page.
    pub(super) fn page_request(
        &self,
        verb: &str,
        range: &impl KeyRange,
        limit: usize,
        descending: bool,
        after: Option<&str>,
    ) -> Result<Option<ReadRequest>, Error> {
        self.check_limit(limit)?;
        let mut bounds = self.bounds(range, descending)?;
        let [from, to] = shown(range);
        let key = identity_key([from, "..", to, &format!("limit {limit}"), "after", after.unwrap_or("")]);
        if let Some(after) = after {
            let last = continuation_key(after, descending).map(|key| self.row_key(key));
            let Some(last) = last.filter(|last| bounds.contains(last)) else {
                return Err(self.refused(
                    "continuation_invalid",
                    format!(
                        "no page of this range and direction ends at `{after}`; begin again without a continuation"
                    ),
                ));
            };
            if descending { bounds.1 = Bound::Excluded(last) } else { bounds.0 = Bound::Excluded(last) }
        }
        Ok(self.read_request(verb, key, bounds, limit + 1, descending))
    }

    /// The request of a count; `None` when there is nothing to count.
    pub(super) fn count_request(&self, range: &impl KeyRange) -> Result<Option<ReadRequest>, Error> {
        let bounds = self.bounds(range, false)?;
        let [from, to] = shown(range);
        Ok(self.read_request("count", identity_key([from, "..", to]), bounds, usize::MAX, false))
    }

    pub(super) fn get_request(&self, verb: &str, keys: &[String]) -> Result<GetRequest, Error> {
        if keys.len() > READ_ROWS {
            return Err(self.refused(
                "limit_too_large",
                format!("one read gives at most {READ_ROWS} values, and {} were asked for; ask in parts", keys.len()),
            ));
        }
        for key in keys {
            check_key(self.name(), key)?;
        }
        Ok(GetRequest {
            operation: self.operation(verb, identity_key(keys.iter().map(String::as_str))),
            keys: keys.iter().map(|key| self.row_key(key)).collect(),
        })
    }

    pub(super) fn write_request(
        &self,
        verb: &str,
        rows: Vec<(String, Option<Vec<u8>>)>,
    ) -> Result<WriteRequest, Error> {
        for (key, _) in &rows {
            check_key(self.name(), key)?;
        }
        Ok(WriteRequest {
            operation: self.operation(verb, identity_key(rows.iter().map(|(key, _)| key.as_str()))),
            rows: rows.into_iter().map(|(key, value)| (self.row_key(&key), value)).collect(),
        })
    }

    fn read_request(
        &self,
        verb: &str,
        key: String,
        (lower, upper): Bounds,
        limit: usize,
        descending: bool,
    ) -> Option<ReadRequest> {
        (!overlay::is_empty(&lower, &upper)).then(|| ReadRequest {
            operation: self.operation(verb, key),
            prefix: self.prefix_bytes().len(),
            scan: Scan { keyspace: Keyspace::Table, lower, upper, descending, limit },
        })
    }

    fn operation(&self, verb: &str, key: String) -> OperationName {
        match self.alias() {
            // No operation that is told by what it touches has a name that ends so.
            Some(alias) => OperationName {
                name: format!("{}.{verb} idempotently", self.name()),
                key: alias.as_str().to_owned(),
                is_alias: true,
            },
            None => OperationName { name: format!("{}.{verb}", self.name()), key, is_alias: false },
        }
    }

    fn check_limit(&self, limit: usize) -> Result<(), Error> {
        if limit == 0 {
            return Err(self.refused("limit_zero", "a range needs a limit above zero".into()));
        }
        if limit > READ_ROWS {
            return Err(self.refused(
                "limit_too_large",
                format!("a range gives at most {READ_ROWS} entries, and {limit} were asked for; read it in pages"),
            ));
        }
        Ok(())
    }

    /// The rows of a range.
    fn bounds(&self, range: &impl KeyRange, descending: bool) -> Result<Bounds, Error> {
        let (start, end) = (range.start(), range.end());
        for text in [start, end, range.prefix()].into_iter().flatten() {
            check_key(self.name(), text)?;
        }
        if let Some(prefix) = range.prefix() {
            let lower = self.row_key(prefix);
            return Ok((Bound::Included(lower.clone()), Bound::Excluded(after(lower))));
        }
        if let (Some(start), Some(end)) = (start, end)
            && (if descending { start < end } else { start > end })
        {
            let larger = if descending { "smaller" } else { "larger" };
            return Err(self.refused(
                "range_inverted",
                format!("the range starts at `{start}`, which is {larger} than its end `{end}`; swap them"),
            ));
        }
        let from = start.map(|key| Bound::Included(self.row_key(key)));
        let to = end.map(|key| Bound::Excluded(self.row_key(key)));
        let first = Bound::Included(self.prefix_bytes());
        let beyond = Bound::Excluded(after(self.prefix_bytes()));
        // What a descending range ends at lies below it.
        let (lower, upper) = if descending { (to, from) } else { (from, to) };
        Ok((lower.unwrap_or(first), upper.unwrap_or(beyond)))
    }

    /// The bytes that all row keys of this table begin with: the name, after its length, so that no table's rows lie
    /// among those of another.
    fn prefix_bytes(&self) -> Vec<u8> {
        let length = u8::try_from(self.name().len()).expect("`new` has checked it");
        let mut prefix = vec![length];
        prefix.extend_from_slice(self.name().as_bytes());
        prefix
    }

    pub(crate) fn row_key(&self, key: &str) -> Vec<u8> {
        let mut row_key = self.prefix_bytes();
        row_key.extend_from_slice(key.as_bytes());
        row_key
    }

    pub(crate) fn encode(&self, key: &str, value: &V) -> Result<Vec<u8>, Error> {
        let bytes = E::encode(value).map_err(|error| {
            Error::new(
                ErrorKind::FixProgram,
                "value_not_encodable",
                format!("the value for `{key}` in the table `{}` cannot be stored: {error}", self.name()),
            )
        })?;
        if bytes.len() > VALUE_BYTES {
            return Err(self.refused(
                "value_too_large",
                format!("the value for `{key}` has {} bytes, and {VALUE_BYTES} is the most", bytes.len()),
            ));
        }
        Ok(bytes)
    }

    pub(crate) fn decode(&self, (key, value): Row) -> Result<(String, V), Error> {
        let key = String::from_utf8_lossy(&key).into_owned();
        let value = self.decode_value(&key, &value)?;
        Ok((key, value))
    }

    pub(super) fn decode_value(&self, key: &str, value: &[u8]) -> Result<V, Error> {
        E::decode(value).map_err(|error| {
            Error::new(
                ErrorKind::Redeploy,
                "value_not_decodable",
                format!(
                    "what is stored under `{key}` in the table `{}` is not of the type that this build reads: {error}; give \
                     new fields a serde default, or migrate the table",
                    self.name()
                ),
            )
        })
    }

    fn refused(&self, code: &'static str, message: String) -> Error {
        Error::new(ErrorKind::FixCall, code, format!("table `{}`: {message}", self.name()))
    }
}

pub(crate) fn check_key(table: &str, key: &str) -> Result<(), Error> {
    if key.len() <= KEY_BYTES {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::FixCall,
        "key_too_large",
        format!("table `{table}`: a key has {} bytes, and {KEY_BYTES} is the most; use a digest of it", key.len()),
    ))
}

/// The smallest bytes that are larger than all that begin with these.
fn after(mut prefix: Vec<u8>) -> Vec<u8> {
    // The last byte is one of UTF-8 text, or a length of at most 255 that is followed by such text, so never 0xff.
    if let Some(last) = prefix.last_mut() {
        *last += 1;
    }
    prefix
}

/// The sign that a continuation begins with, before the last key of its page.
fn direction_sign(descending: bool) -> char {
    if descending { '<' } else { '>' }
}

/// The continuation behind a page that ends with this key.
pub(super) fn continuation(last: &str, descending: bool) -> String {
    format!("{}{last}", direction_sign(descending))
}

fn continuation_key(continuation: &str, descending: bool) -> Option<&str> {
    continuation.strip_prefix(direction_sign(descending)).filter(|key| key.len() <= KEY_BYTES)
}

/// A range's bounds as they are a part of an identity.
fn shown(range: &impl KeyRange) -> [&str; 2] {
    match range.prefix() {
        Some(prefix) => [prefix, "*"],
        None => [range.start().unwrap_or(""), range.end().unwrap_or("")],
    }
}

/// By what an operation is told from others of its name: readable where that is short, else a digest.
fn identity_key<'k>(parts: impl IntoIterator<Item = &'k str>) -> String {
    let parts: Vec<&str> = parts.into_iter().collect();
    if parts.iter().map(|part| part.len() + 1).sum::<usize>() <= 128 { parts.join(" ") } else { digest(parts) }
}

/// The SHA-256 of some texts and where each of them ends, in hexadecimal.
pub(super) fn digest<'k>(parts: impl IntoIterator<Item = &'k str>) -> String {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    let mut text = String::with_capacity(64);
    for byte in digest.finalize() {
        write!(text, "{byte:02x}").expect("a String takes everything");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const USERS: SortedMap<String> = SortedMap::new("users");

    fn code_of(range: impl KeyRange, limit: usize, descending: bool) -> String {
        match USERS.scan_request("range", &range, limit, descending) {
            Ok(_) => "none".into(),
            Err(error) => error.code().to_owned(),
        }
    }

    #[test]
    fn ranges_that_cannot_be_meant_are_refused() {
        assert_eq!(code_of(.., 0, false), "limit_zero");
        assert_eq!(code_of(.., READ_ROWS + 1, false), "limit_too_large");
        assert_eq!(code_of("b".."a", 1, false), "range_inverted");
        assert_eq!(code_of("a".."b", 1, true), "range_inverted");
        assert_eq!(code_of("k".repeat(KEY_BYTES + 1).., 1, true), "key_too_large");
        assert_eq!(code_of("a".."a", 1, false), "none");
    }

    #[test]
    fn the_rows_of_one_table_do_not_lie_among_those_of_another() {
        let (a, ab) = (SortedMap::<String>::new("a"), SortedMap::<String>::new("ab"));
        assert!(!ab.row_key("").starts_with(&a.prefix_bytes()));
        assert!(a.row_key("\u{10ffff}\u{10ffff}") < after(a.prefix_bytes()));
    }

    #[test]
    fn the_identity_of_an_operation_is_short_and_depends_on_every_key() {
        assert_eq!(identity_key(["ada", "bob"]), "ada bob");
        let (x, y) = ("x".repeat(1000), "y".repeat(1000));
        assert_eq!(identity_key([x.as_str()]).len(), 64);
        assert_ne!(identity_key([x.as_str(), &y]), identity_key([y.as_str(), &x]));
    }
}
