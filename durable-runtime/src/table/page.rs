//! Reading a range in pages.

use serde::{Deserialize, Serialize};

use super::encoding::Encoding;
use super::operation::{ReadTables, TableOperation};
use super::range::KeyRange;
use super::request;
use super::sorted_map::SortedMap;

/// Some entries of a range, and where the next ones begin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Page<V> {
    /// The entries, in the order in which they were asked for.
    pub entries: Vec<(String, V)>,
    /// What to ask for the next page with; `None` when there were no entries behind this page.
    ///
    /// A text that may be kept, sent to a client and taken back from it, in this release and later ones. It contains the
    /// last key of the page, and holds nothing open in the server.
    pub next: Option<String>,
}

impl<V: Send + Sync, E: Encoding<V>> SortedMap<V, E> {
    /// A page of a range in ascending order, `limit` entries at most: the first one, or the one behind `after`, which is the
    /// [`next`](Page::next) of the page before.
    ///
    /// Each page is read at a moment of its own. It begins behind the last key of the page before, whether that is still
    /// there or not, so no entry comes twice, and none is missed that is there all the time. A page may have another limit
    /// than the one before.
    ///
    /// ```
    /// use durable_runtime::prelude::*;
    ///
    /// const NOTES: SortedMap<String> = SortedMap::new("notes");
    ///
    /// /// Lists notes, and what to ask for more with.
    /// #[durable_tool(read_only)]
    /// async fn list(cx: &ReadContext, after: Option<String>) -> Result<(Vec<String>, Option<String>), ToolError> {
    ///     let page = NOTES.page(cx, .., 20, after.as_deref()).await?;
    ///     Ok((page.entries.into_iter().map(|(key, _)| key).collect(), page.next))
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`range`](Self::range), and `continuation_invalid`, if `after` is not of a page of this range in this direction.
    pub fn page<'a, C: ReadTables + ?Sized>(
        &self,
        cx: &'a C,
        range: impl KeyRange,
        limit: usize,
        after: Option<&str>,
    ) -> TableOperation<'a, Page<V>>
    where
        V: 'a,
        E: 'a,
    {
        self.read_page(cx, "page", &range, limit, false, after)
    }

    /// The same in descending order, as [`reverse_range`](Self::reverse_range) has it.
    ///
    /// # Errors
    ///
    /// As for [`page`](Self::page).
    pub fn reverse_page<'a, C: ReadTables + ?Sized>(
        &self,
        cx: &'a C,
        range: impl KeyRange,
        limit: usize,
        after: Option<&str>,
    ) -> TableOperation<'a, Page<V>>
    where
        V: 'a,
        E: 'a,
    {
        self.read_page(cx, "reverse_page", &range, limit, true, after)
    }

    fn read_page<'a, C: ReadTables + ?Sized>(
        &self,
        cx: &'a C,
        verb: &str,
        range: &impl KeyRange,
        limit: usize,
        descending: bool,
        after: Option<&str>,
    ) -> TableOperation<'a, Page<V>>
    where
        V: 'a,
        E: 'a,
    {
        let table = *self;
        let request = self.page_request(verb, range, limit, descending, after);
        TableOperation::new(async move {
            let mut rows = match request? {
                Some(request) => cx.read(request).await?,
                None => Vec::new(),
            };
            let has_more = rows.len() > limit;
            rows.truncate(limit);
            let entries = rows.into_iter().map(|row| table.decode(row)).collect::<Result<Vec<_>, _>>()?;
            let last = entries.last().filter(|_| has_more);
            let next = last.map(|(key, _)| request::continuation(key, descending));
            Ok(Page { entries, next })
        })
    }
}
