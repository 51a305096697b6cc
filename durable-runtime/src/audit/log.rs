//! The handle of a log, and how it is queried.

use std::borrow::Cow;
use std::ops::{Bound, RangeBounds as _};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::entry::AuditEntry;
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind};
use crate::store::{Keyspace, Scan};
use crate::table::operation::{OperationName, ReadRequest};
use crate::table::{ReadTables, TableOperation, overlay};
use crate::uuid7;

/// The most entries of one page.
const PAGE_ENTRIES: usize = 100_000;

/// An audit log: what `#[audit(..)]` and `cx.audit` write, to be read.
///
/// ```
/// use durable_runtime::prelude::*;
/// use durable_runtime::{AuditEntry, AuditQuery};
///
/// const OPERATIONS: AuditLog = AuditLog::new("user_operations");
///
/// /// Tells what happened last.
/// #[durable_tool(read_only)]
/// async fn recent(cx: &ReadContext) -> Result<Vec<AuditEntry>, ToolError> {
///     let page = OPERATIONS.query(cx, AuditQuery { limit: 20, ..AuditQuery::default() }).await?;
///     Ok(page.entries)
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AuditLog {
    name: Cow<'static, str>,
}

/// Which entries of a log are asked for, and in which order.
///
/// | `begin` | `end` | entries |
/// |---|---|---|
/// | | | all, newest first |
/// | given | | from `begin` on, oldest first |
/// | | given | up to `end`, newest first |
/// | given | given | from `begin` up to `end`, oldest first |
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct AuditQuery {
    /// The first time, included, in milliseconds since the Unix epoch.
    pub begin: Option<u64>,
    /// The last time, included with all of its millisecond.
    pub end: Option<u64>,
    /// How many entries at most: 100 unless it is said, and at least 1.
    pub limit: usize,
    /// The [`next`](AuditPage::next) of the page before.
    pub after: Option<String>,
}

impl Default for AuditQuery {
    fn default() -> Self {
        Self { begin: None, end: None, limit: 100, after: None }
    }
}

/// Some entries of a log, and where the next ones begin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct AuditPage {
    /// The entries, in the order of the query.
    pub entries: Vec<AuditEntry>,
    /// What to ask for the next page with, in the same query; `None` when there were no entries behind this page.
    pub next: Option<String>,
}

/// Whether a log may have this name.
const fn is_valid_name(name: &str) -> bool {
    let bytes = name.as_bytes();
    let mut index = 0;
    while index < bytes.len() {
        if !(bytes[index].is_ascii_alphanumeric() || matches!(bytes[index], b'_' | b'.' | b'-')) {
            return false;
        }
        index += 1;
    }
    !bytes.is_empty() && bytes.len() <= 64
}

/// Refuses what is no name of a log.
pub(super) fn check_name(name: &str) -> Result<(), Error> {
    if is_valid_name(name) {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::FixCall,
        "audit_log_invalid",
        format!(
            "`{name}` is not an audit log's name; give 1 to 64 characters out of `A-Z`, `a-z`, `0-9`, `_`, `.` and `-`"
        ),
    ))
}

impl AuditLog {
    /// The log of this name. It exists as soon as something is in it.
    ///
    /// # Panics
    ///
    /// When the name has not 1 to 64 characters out of `A-Z`, `a-z`, `0-9`, `_`, `.` and `-`; for a constant, when compiling.
    pub const fn new(name: &'static str) -> Self {
        assert!(is_valid_name(name), "an audit log's name has 1 to 64 characters out of A-Z, a-z, 0-9, _, . and -");
        Self { name: Cow::Borrowed(name) }
    }

    /// The log of a name that is only known at run time.
    ///
    /// # Errors
    ///
    /// `audit_log_invalid`, as [`new`](Self::new) panics.
    pub fn named(name: impl Into<String>) -> Result<Self, Error> {
        let name = name.into();
        check_name(&name)?;
        Ok(Self { name: Cow::Owned(name) })
    }

    /// The log's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A page of entries, by time: see [`AuditQuery`] for which ones, and in which order.
    ///
    /// In a tool's body this is a durable operation: a replay gives what it gave. The entry of a call that is under way is
    /// not there before its end, and neither is what `cx.audit` gave it in a step before the step's.
    ///
    /// # Errors
    ///
    /// `limit_zero`, `limit_too_large` (over 100 000), `range_inverted` (`begin` is later than `end`), `continuation_invalid`
    /// (`after` is not of a page of this query), `value_not_decodable`.
    pub fn query<'a, C: ReadTables + ?Sized>(&self, cx: &'a C, query: AuditQuery) -> TableOperation<'a, AuditPage> {
        let request = self.request(&query);
        let table = Self::table(&self.name);
        TableOperation::new(async move {
            let mut rows = match request? {
                Some(request) => cx.read(request).await?,
                None => Vec::new(),
            };
            let has_more = rows.len() > query.limit;
            rows.truncate(query.limit);
            let last = rows.last().filter(|_| has_more);
            let next = last.map(|(key, _)| String::from_utf8_lossy(key).into_owned());
            let entries = rows.iter().map(|(key, value)| {
                serde_json::from_slice(value).map_err(|error| {
                    let key = String::from_utf8_lossy(key);
                    let message =
                        format!("what is stored under `{key}` in the table `{table}` is no audit entry: {error}");
                    Error::new(ErrorKind::Redeploy, "value_not_decodable", message)
                })
            });
            Ok(AuditPage { entries: entries.collect::<Result<_, _>>()?, next })
        })
    }

    /// The request of a page, with an entry more than it gives; `None` when there is nothing to read.
    fn request(&self, query: &AuditQuery) -> Result<Option<ReadRequest>, Error> {
        let AuditQuery { begin, end, limit, after } = query;
        let refused =
            |code, what: String| Error::new(ErrorKind::FixCall, code, format!("audit log `{}`: {what}", self.name));
        if *limit == 0 {
            return Err(refused("limit_zero", "a query needs a limit above zero".into()));
        }
        if *limit > PAGE_ENTRIES {
            let what = format!("a page has at most {PAGE_ENTRIES} entries, and {limit} were asked for; read several");
            return Err(refused("limit_too_large", what));
        }
        if let (Some(begin), Some(end)) = (begin, end)
            && begin > end
        {
            let what = format!("the query begins at `{begin}`, which is later than its end `{end}`; swap them");
            return Err(refused("range_inverted", what));
        }
        let row = |id: Uuid| Self::row_key(&self.name, &id.to_string());
        let descending = begin.is_none();
        let mut lower = match begin {
            Some(begin) => Bound::Included(row(uuid7::smallest(Timestamp::from_millis(*begin)))),
            None => Bound::Included(Self::row_key(&self.name, "")),
        };
        let mut upper = match end {
            Some(end) => Bound::Included(row(uuid7::largest(Timestamp::from_millis(*end)))),
            None => Bound::Included(row(Uuid::max())),
        };
        if let Some(after) = after {
            let last = after.parse().ok().filter(|id: &Uuid| id.to_string() == *after).map(row);
            let Some(last) = last.filter(|last| (lower.clone(), upper.clone()).contains(last)) else {
                let what = format!("no page of this query ends at `{after}`; begin again without a continuation");
                return Err(refused("continuation_invalid", what));
            };
            *(if descending { &mut upper } else { &mut lower }) = Bound::Excluded(last);
        }
        if overlay::is_empty(&lower, &upper) {
            return Ok(None);
        }
        let shown = |time: &Option<u64>| time.map_or_else(String::new, |time| time.to_string());
        Ok(Some(ReadRequest {
            operation: OperationName {
                name: format!("{}.query", Self::table(&self.name)),
                key: format!("{}..{} limit {limit} after {}", shown(begin), shown(end), after.as_deref().unwrap_or("")),
                is_alias: false,
            },
            prefix: Self::row_key(&self.name, "").len(),
            scan: Scan { keyspace: Keyspace::Table, lower, upper, descending, limit: limit + 1 },
        }))
    }

    /// The name of the table that a log's entries are in.
    pub(super) fn table(log: &str) -> String {
        format!("audit:{log}")
    }

    /// The key of an entry's row, which is that of a `SortedMap` of the table's name.
    pub(super) fn row_key(log: &str, key: &str) -> Vec<u8> {
        let table = Self::table(log);
        let mut row_key = vec![u8::try_from(table.len()).expect("a log's name is short")];
        row_key.extend_from_slice(table.as_bytes());
        row_key.extend_from_slice(key.as_bytes());
        row_key
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code_of(query: AuditQuery) -> String {
        match AuditLog::new("a").request(&query) {
            Ok(request) => if request.is_some() { "some" } else { "none" }.into(),
            Err(error) => error.code().to_owned(),
        }
    }

    #[test]
    fn queries_that_cannot_be_meant_are_refused() {
        let query =
            |begin, end, limit, after: Option<&str>| AuditQuery { begin, end, limit, after: after.map(Into::into) };
        assert_eq!(code_of(query(None, None, 0, None)), "limit_zero");
        assert_eq!(code_of(query(None, None, PAGE_ENTRIES + 1, None)), "limit_too_large");
        assert_eq!(code_of(query(Some(2), Some(1), 1, None)), "range_inverted");
        assert_eq!(code_of(query(Some(1), Some(1), 1, None)), "some");
        assert_eq!(code_of(query(None, None, 1, Some("soon"))), "continuation_invalid");
        let id = uuid7::largest(Timestamp::from_millis(5)).to_string();
        assert_eq!(code_of(query(Some(6), None, 1, Some(&id))), "continuation_invalid");
        assert_eq!(code_of(query(Some(4), Some(5), 1, Some(&id))), "none");
        assert_eq!(code_of(query(None, Some(9), 1, Some(&id))), "some");
    }

    #[test]
    fn a_name_that_could_not_be_written_in_an_attribute_is_refused() {
        for name in ["", "a b", "a/b", "ä", &"x".repeat(65)] {
            assert_eq!(AuditLog::named(name).expect_err("refused").code(), "audit_log_invalid");
        }
        assert_eq!(AuditLog::named("user_operations.v-2").expect("a name").name(), "user_operations.v-2");
    }
}
