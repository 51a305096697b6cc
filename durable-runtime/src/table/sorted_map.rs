//! The handle of a table.

use std::fmt::Write as _;
use std::marker::PhantomData;
use std::ops::Bound;

use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use super::operation::{ReadRequest, ReadTables, TableOperation, WriteRequest, WriteTables};
use super::overlay;
use super::range::KeyRange;
use crate::error::{Error, ErrorKind};
use crate::store::{Keyspace, Row, Scan};

/// The largest key, in bytes.
const KEY_BYTES: usize = 1024;
/// The largest value, in bytes, as it is stored.
const VALUE_BYTES: usize = 16 << 20;
/// The most rows that one range gives.
const RANGE_ROWS: usize = 100_000;

/// How a table's values are stored as bytes.
pub trait Encoding<V> {
    /// The bytes of a value.
    ///
    /// # Errors
    ///
    /// A text that says why there are none.
    fn encode(value: &V) -> Result<Vec<u8>, String>;

    /// The value of some bytes.
    ///
    /// # Errors
    ///
    /// A text that says why they are not a value.
    fn decode(bytes: &[u8]) -> Result<V, String>;
}

/// Values as JSON, of any serde type.
#[derive(Clone, Copy, Debug)]
pub struct Json;

impl<V: Serialize + DeserializeOwned> Encoding<V> for Json {
    fn encode(value: &V) -> Result<Vec<u8>, String> {
        serde_json::to_vec(value).map_err(|error| error.to_string())
    }

    fn decode(bytes: &[u8]) -> Result<V, String> {
        serde_json::from_slice(bytes).map_err(|error| error.to_string())
    }
}

/// Values as the bytes that they are.
#[derive(Clone, Copy, Debug)]
pub struct Raw;

impl Encoding<Vec<u8>> for Raw {
    fn encode(value: &Vec<u8>) -> Result<Vec<u8>, String> {
        Ok(value.clone())
    }

    fn decode(bytes: &[u8]) -> Result<Vec<u8>, String> {
        Ok(bytes.to_vec())
    }
}

/// A table: a named, persistent map, larger than memory, ordered by the bytes of its UTF-8 keys.
///
/// The handle is only a name; make it a constant. Every operation takes the context it happens in, which says what it
/// means:
///
/// - inside a step, writes join the step's commit: they become visible with its `Ok` outcome, or not at all, and the
///   step reads its own writes;
/// - in a tool's body, each call is an exactly-once operation of its own: a replay gives what it gave;
/// - in a read-only tool, it reads what is there.
///
/// ```
/// use durable_runtime::prelude::*;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct User {
///     email: String,
/// }
///
/// const USERS: SortedMap<User> = SortedMap::new("users");
///
/// /// Changes a user's address.
/// #[durable_tool]
/// async fn change_email(cx: &DurableContext, name: String, email: String) -> Result<bool, ToolError> {
///     let Some(mut user) = USERS.get(cx, &name).await? else { return Ok(false) };
///     user.email = email;
///     USERS.insert(cx, [(name, user)]).await?;
///     Ok(true)
/// }
/// ```
///
/// # Errors
///
/// An error of an operation is always about the request: an empty range limit, a key over 1024 bytes, a stored value that
/// is no longer a `V`. A store that fails is not one of them: the invocation then stops and goes on later, and in a
/// read-only tool alone it is the error `store_unavailable`.
pub struct SortedMap<V, E = Json> {
    name: &'static str,
    values: PhantomData<fn() -> (V, E)>,
}

impl<V, E> Clone for SortedMap<V, E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<V, E> Copy for SortedMap<V, E> {}

impl<V, E> std::fmt::Debug for SortedMap<V, E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SortedMap").field("name", &self.name).finish_non_exhaustive()
    }
}

impl<V, E> SortedMap<V, E> {
    /// The table of this name. It exists as soon as something is in it.
    ///
    /// # Panics
    ///
    /// When the name is empty or longer than 255 bytes; for a constant, when compiling.
    pub const fn new(name: &'static str) -> Self {
        assert!(!name.is_empty(), "a table needs a name");
        assert!(name.len() <= 255, "a table's name has at most 255 bytes");
        Self { name, values: PhantomData }
    }

    /// The table's name.
    pub const fn name(&self) -> &'static str {
        self.name
    }
}

impl<V: Send + Sync, E: Encoding<V>> SortedMap<V, E> {
    /// Puts entries, in place of those that have their keys. All of them or none.
    ///
    /// # Errors
    ///
    /// `key_too_large` (over 1024 bytes), `value_too_large` (over 16 MiB as stored), `value_not_encodable`.
    pub fn insert<'a, C: WriteTables + ?Sized, K: Into<String>>(
        &self,
        cx: &'a C,
        entries: impl IntoIterator<Item = (K, V)>,
    ) -> TableOperation<'a, ()> {
        let request = entries
            .into_iter()
            .map(|(key, value)| {
                let key = key.into();
                let value = self.encode(&key, &value)?;
                Ok((key, Some(value)))
            })
            .collect::<Result<Vec<_>, Error>>()
            .and_then(|rows| self.write_request("insert", rows));
        TableOperation::new(async move { cx.write(request?).await })
    }

    /// Removes entries. Keys that are not there are ignored. All of them or none.
    ///
    /// # Errors
    ///
    /// `key_too_large` (over 1024 bytes).
    pub fn remove<'a, C: WriteTables + ?Sized, K: Into<String>>(
        &self,
        cx: &'a C,
        keys: impl IntoIterator<Item = K>,
    ) -> TableOperation<'a, ()> {
        let rows = keys.into_iter().map(|key| (key.into(), None)).collect();
        let request = self.write_request("remove", rows);
        TableOperation::new(async move { cx.write(request?).await })
    }

    /// The value under a key.
    ///
    /// # Errors
    ///
    /// `key_too_large` (over 1024 bytes), `value_not_decodable` (what is stored is not a `V`).
    pub fn get<'a, C: ReadTables + ?Sized>(&self, cx: &'a C, key: impl AsRef<str>) -> TableOperation<'a, Option<V>>
    where
        V: 'a,
        E: 'a,
    {
        let table = *self;
        let key = key.as_ref().to_owned();
        TableOperation::new(async move {
            check_key(table.name, &key)?;
            let rows = cx
                .read(ReadRequest {
                    name: format!("{}.get", table.name),
                    prefix: table.prefix().len(),
                    scan: Scan {
                        keyspace: Keyspace::Table,
                        lower: Bound::Included(table.row_key(&key)),
                        upper: Bound::Included(table.row_key(&key)),
                        descending: false,
                        limit: 1,
                    },
                    key,
                })
                .await?;
            rows.into_iter().next().map(|row| table.decode(row).map(|(_, value)| value)).transpose()
        })
    }

    /// Entries in ascending order of their keys, `limit` at most.
    ///
    /// # Errors
    ///
    /// `limit_zero`, `limit_too_large` (over 100 000), `range_inverted` (it starts beyond its end), `key_too_large`,
    /// `value_not_decodable`.
    pub fn range<'a, C: ReadTables + ?Sized>(
        &self,
        cx: &'a C,
        range: impl KeyRange,
        limit: usize,
    ) -> TableOperation<'a, Vec<(String, V)>>
    where
        V: 'a,
        E: 'a,
    {
        self.scan(cx, "range", &range, limit, false)
    }

    /// Entries in descending order of their keys, `limit` at most. The range's start is the larger bound and included;
    /// `..` begins at the largest key.
    ///
    /// # Errors
    ///
    /// As for [`range`](Self::range).
    pub fn reverse_range<'a, C: ReadTables + ?Sized>(
        &self,
        cx: &'a C,
        range: impl KeyRange,
        limit: usize,
    ) -> TableOperation<'a, Vec<(String, V)>>
    where
        V: 'a,
        E: 'a,
    {
        self.scan(cx, "reverse_range", &range, limit, true)
    }

    fn scan<'a, C: ReadTables + ?Sized>(
        &self,
        cx: &'a C,
        verb: &str,
        range: &impl KeyRange,
        limit: usize,
        descending: bool,
    ) -> TableOperation<'a, Vec<(String, V)>>
    where
        V: 'a,
        E: 'a,
    {
        let table = *self;
        let request = self.scan_request(verb, range, limit, descending);
        TableOperation::new(async move {
            let rows = match request? {
                Some(request) => cx.read(request).await?,
                None => Vec::new(),
            };
            rows.into_iter().map(|row| table.decode(row)).collect()
        })
    }

    /// The request of a scan; `None` when its bounds are equal, for then there is nothing to read.
    pub(super) fn scan_request(
        &self,
        verb: &str,
        range: &impl KeyRange,
        limit: usize,
        descending: bool,
    ) -> Result<Option<ReadRequest>, Error> {
        let (start, end) = (range.start(), range.end());
        for bound in [start, end].into_iter().flatten() {
            check_key(self.name, bound)?;
        }
        if limit == 0 {
            return Err(self.refused("limit_zero", "a range needs a limit above zero".into()));
        }
        if limit > RANGE_ROWS {
            return Err(self.refused(
                "limit_too_large",
                format!("a range gives at most {RANGE_ROWS} entries, and {limit} were asked for; read it in pages"),
            ));
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
        let first = Bound::Included(self.prefix());
        let beyond = Bound::Excluded(after(self.prefix()));
        let (lower, upper) = if descending {
            // Everything below the end is beyond a descending range.
            let lower = end.map(|key| Bound::Excluded(self.row_key(key)));
            (lower.unwrap_or(first), from.unwrap_or(beyond))
        } else {
            (from.unwrap_or(first), to.unwrap_or(beyond))
        };
        if overlay::is_empty(&lower, &upper) {
            return Ok(None);
        }
        Ok(Some(ReadRequest {
            name: format!("{}.{verb}", self.name),
            key: identity_key([start.unwrap_or(""), "..", end.unwrap_or(""), &format!("limit {limit}")]),
            prefix: self.prefix().len(),
            scan: Scan { keyspace: Keyspace::Table, lower, upper, descending, limit },
        }))
    }

    pub(super) fn write_request(
        &self,
        verb: &str,
        rows: Vec<(String, Option<Vec<u8>>)>,
    ) -> Result<WriteRequest, Error> {
        for (key, _) in &rows {
            check_key(self.name, key)?;
        }
        Ok(WriteRequest {
            name: format!("{}.{verb}", self.name),
            key: identity_key(rows.iter().map(|(key, _)| key.as_str())),
            rows: rows.into_iter().map(|(key, value)| (self.row_key(&key), value)).collect(),
        })
    }

    /// The bytes that all row keys of this table begin with: the name, after its length, so that no table's rows lie
    /// among those of another.
    fn prefix(&self) -> Vec<u8> {
        let length = u8::try_from(self.name.len()).expect("`new` has checked it");
        let mut prefix = vec![length];
        prefix.extend_from_slice(self.name.as_bytes());
        prefix
    }

    pub(super) fn row_key(&self, key: &str) -> Vec<u8> {
        let mut row_key = self.prefix();
        row_key.extend_from_slice(key.as_bytes());
        row_key
    }

    pub(super) fn encode(&self, key: &str, value: &V) -> Result<Vec<u8>, Error> {
        let bytes = E::encode(value).map_err(|error| {
            Error::new(
                ErrorKind::FixProgram,
                "value_not_encodable",
                format!("the value for `{key}` in the table `{}` cannot be stored: {error}", self.name),
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

    pub(super) fn decode(&self, (key, value): Row) -> Result<(String, V), Error> {
        let key = String::from_utf8_lossy(&key).into_owned();
        match E::decode(&value) {
            Ok(value) => Ok((key, value)),
            Err(error) => Err(Error::new(
                ErrorKind::Redeploy,
                "value_not_decodable",
                format!(
                    "what is stored under `{key}` in the table `{}` is not of the type that this build reads: {error}; give \
                     new fields a serde default, or migrate the table",
                    self.name
                ),
            )),
        }
    }

    fn refused(&self, code: &'static str, message: String) -> Error {
        Error::new(ErrorKind::FixCall, code, format!("table `{}`: {message}", self.name))
    }
}

pub(super) fn check_key(table: &str, key: &str) -> Result<(), Error> {
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

/// By what an operation is told from others of its name: readable where that is short, else a digest.
fn identity_key<'k>(parts: impl IntoIterator<Item = &'k str>) -> String {
    let parts: Vec<&str> = parts.into_iter().collect();
    if parts.iter().map(|part| part.len() + 1).sum::<usize>() <= 128 {
        return parts.join(" ");
    }
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
        assert_eq!(code_of(.., RANGE_ROWS + 1, false), "limit_too_large");
        assert_eq!(code_of("b".."a", 1, false), "range_inverted");
        assert_eq!(code_of("a".."b", 1, true), "range_inverted");
        assert_eq!(code_of("k".repeat(KEY_BYTES + 1).., 1, true), "key_too_large");
        assert_eq!(code_of("a".."a", 1, false), "none");
    }

    #[test]
    fn the_rows_of_one_table_do_not_lie_among_those_of_another() {
        let (a, ab) = (SortedMap::<String>::new("a"), SortedMap::<String>::new("ab"));
        assert!(!ab.row_key("").starts_with(&a.prefix()));
        assert!(a.row_key("\u{10ffff}\u{10ffff}") < after(a.prefix()));
    }

    #[test]
    fn the_identity_of_an_operation_is_short_and_depends_on_every_key() {
        assert_eq!(identity_key(["ada", "bob"]), "ada bob");
        let (x, y) = ("x".repeat(1000), "y".repeat(1000));
        assert_eq!(identity_key([x.as_str()]).len(), 64);
        assert_ne!(identity_key([x.as_str(), &y]), identity_key([y.as_str(), &x]));
    }
}
