//! The handle of a table.

use std::marker::PhantomData;

use super::alias::Alias;
use super::encoding::{Encoding, Json};
use super::operation::{ReadTables, TableOperation, WriteTables};
use super::range::{KeyRange, Prefix};
use crate::error::Error;

/// A table: a named, persistent map, larger than memory, ordered by the bytes of its UTF-8 keys.
///
/// The handle is only a name; make it a constant. Every operation takes the context it happens in, which says what it
/// means:
///
/// - inside a step, writes join the step's commit: they become visible with its `Ok` outcome, or not at all, and the
///   step reads its own writes;
/// - in a tool's body, each call is an exactly-once operation of its own: a replay gives what it gave;
/// - in a read-only tool, it reads what is there;
/// - outside of tools, with a [`Store`](crate::Store), each write is a commit of its own.
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
/// is no longer a `V`. A store that fails is not one of them: the invocation then stops and goes on later, and only in a
/// read-only tool and outside of tools it is the error `store_unavailable`.
pub struct SortedMap<V, E = Json> {
    name: &'static str,
    alias: Option<Alias>,
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
        let alias = self.alias.as_ref().map(Alias::as_str);
        f.debug_struct("SortedMap").field("name", &self.name).field("alias", &alias).finish_non_exhaustive()
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
        Self { name, alias: None, values: PhantomData }
    }

    /// The table's name.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// This table, for one operation that the alias names.
    ///
    /// In a tool's body an operation is recognised in a replay by its table, its verb and the keys or the range that it
    /// touches. With an alias, the alias stands in place of what it touches: a release may change the keys, and the call that
    /// is under way still knows the operation as made. Elsewhere the alias means nothing.
    ///
    /// ```
    /// use durable_runtime::prelude::*;
    ///
    /// const USERS: SortedMap<String> = SortedMap::new("users");
    ///
    /// /// Stores users.
    /// #[durable_tool]
    /// async fn store(cx: &DurableContext, names: Vec<String>) -> Result<(), ToolError> {
    ///     USERS.idempotently("the count").insert(cx, [("count", names.len().to_string())]).await?;
    ///     for (number, name) in names.into_iter().enumerate() {
    ///         USERS.idempotently(format!("user {number}")).insert(cx, [(name, String::new())]).await?;
    ///     }
    ///     Ok(())
    /// }
    /// ```
    ///
    /// An alias is used once in a body (or in a scope of it: a branch, a call of a `#[durable]` function) for each verb of
    /// the table. A second operation of that name is not given what the first one gave: the call is parked, with the reason
    /// `duplicate_operation`. So in a loop each round has an alias of its own.
    #[must_use]
    pub fn idempotently(&self, alias: impl AsRef<str>) -> Self {
        Self { alias: Some(Alias::new(alias.as_ref())), ..*self }
    }

    pub(super) fn alias(&self) -> Option<&Alias> {
        self.alias.as_ref()
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
        let values = self.look_up(cx, "get", vec![key.as_ref().to_owned()]);
        TableOperation::new(async move { Ok(values.await?.pop().flatten()) })
    }

    /// The values under several keys, in the order of the keys, all of one moment; `None` for each that is not there.
    ///
    /// It is one operation, and one read. A key may be asked for more than once.
    ///
    /// # Errors
    ///
    /// `key_too_large` (over 1024 bytes), `limit_too_large` (over 100 000 keys), `value_not_decodable`.
    pub fn get_many<'a, C: ReadTables + ?Sized, K: Into<String>>(
        &self,
        cx: &'a C,
        keys: impl IntoIterator<Item = K>,
    ) -> TableOperation<'a, Vec<Option<V>>>
    where
        V: 'a,
        E: 'a,
    {
        self.look_up(cx, "get_many", keys.into_iter().map(Into::into).collect())
    }

    fn look_up<'a, C: ReadTables + ?Sized>(
        &self,
        cx: &'a C,
        verb: &str,
        keys: Vec<String>,
    ) -> TableOperation<'a, Vec<Option<V>>>
    where
        V: 'a,
        E: 'a,
    {
        let table = *self;
        let request = self.get_request(verb, &keys);
        TableOperation::new(async move {
            let values = cx.get_many(request?).await?;
            let decode = |(key, value): (&String, Option<Vec<u8>>)| {
                value.map(|value| table.decode_value(key, &value)).transpose()
            };
            keys.iter().zip(values).map(decode).collect()
        })
    }

    /// Entries in ascending order of their keys, `limit` at most.
    ///
    /// The range is `"a".."m"`, `"a"..`, `.."m"` or `..`, where the start is included and the end is not, or a
    /// [`Prefix`]. More than is wanted in memory at once is read in [pages](Self::page).
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

    /// Entries whose keys begin with a text, in ascending order, `limit` at most. All keys begin with `""`.
    ///
    /// Other reads of such entries take a [`Prefix`] as their range.
    ///
    /// # Errors
    ///
    /// `limit_zero`, `limit_too_large` (over 100 000), `key_too_large` (over 1024 bytes), `value_not_decodable`.
    pub fn prefix<'a, C: ReadTables + ?Sized>(
        &self,
        cx: &'a C,
        prefix: impl AsRef<str>,
        limit: usize,
    ) -> TableOperation<'a, Vec<(String, V)>>
    where
        V: 'a,
        E: 'a,
    {
        self.scan(cx, "prefix", &Prefix(prefix), limit, false)
    }

    /// How many entries there are in a range, at one moment. They are counted where they are stored, one after the other: it
    /// takes the time of reading them, and no memory for them.
    ///
    /// # Errors
    ///
    /// `range_inverted` (it starts beyond its end), `key_too_large` (over 1024 bytes).
    pub fn count<'a, C: ReadTables + ?Sized>(&self, cx: &'a C, range: impl KeyRange) -> TableOperation<'a, u64> {
        let request = self.count_request(&range);
        TableOperation::new(async move {
            match request? {
                Some(request) => cx.count(request).await,
                None => Ok(0),
            }
        })
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
}
