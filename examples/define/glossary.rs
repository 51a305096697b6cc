//! The tables of the glossary, and the transactions that keep them in step.

use durable_runtime::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Terms in alphabetical order, by their names in lower case.
pub(crate) const TERMS: SortedMap<Entry> = SortedMap::new("terms");
/// The same entries by category, then term. They are copies, so that one range has all there is to show.
pub(crate) const CATEGORIES: SortedMap<Entry> = SortedMap::new("categories");
/// All entries that were ever added, by UUIDv7, and so by time.
pub(crate) const RECENT: SortedMap<Entry> = SortedMap::new("recent");

/// A term, as the tables keep it and `define` gives it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Entry {
    pub(crate) term: String,
    pub(crate) definition: String,
    pub(crate) category: String,
    pub(crate) examples: Vec<String>,
    /// When it was added, in milliseconds since the Unix epoch.
    pub(crate) timestamp: u64,
}

/// Adds an entry in place of one of the same term, in all tables.
pub(crate) fn add(tx: &mut Transaction<'_>, id: Uuid, entry: &Entry) -> Result<(), ToolError> {
    let key = term_key(&entry.term);
    if let Some(before) = tx.get(&TERMS, &key)? {
        // It may have been in another category.
        tx.remove(&CATEGORIES, [category_key(&before.category, &key)?])?;
    }
    tx.insert(&TERMS, [(key.as_str(), entry.clone())])?;
    tx.insert(&CATEGORIES, [(category_key(&entry.category, &key)?, entry.clone())])?;
    tx.insert(&RECENT, [(id.to_string(), entry.clone())])?;
    Ok(())
}

/// Removes a term, and tells whether it was there. The table `recent` is history, and keeps it.
pub(crate) fn remove(tx: &mut Transaction<'_>, key: &str) -> Result<bool, ToolError> {
    let Some(before) = tx.get(&TERMS, key)? else {
        return Ok(false);
    };
    tx.remove(&TERMS, [key])?;
    tx.remove(&CATEGORIES, [category_key(&before.category, key)?])?;
    Ok(true)
}

/// Gives the key of a term, or the beginning of a key for the beginning of a term.
///
/// Character by character: `str::to_lowercase` looks at the end of words, and would make of the beginning of a Greek term
/// what is not the beginning of its key.
pub(crate) fn term_key(term: &str) -> String {
    term.chars().flat_map(char::to_lowercase).collect()
}

/// Gives what the keys of a category, and of no other, begin with.
///
/// # Errors
///
/// When the category has the character NUL, which ends it in the key.
pub(crate) fn category_prefix(category: &str) -> Result<String, ToolError> {
    if category.contains('\0') {
        return Err(ToolError::new(format!("the category {category:?} contains the character NUL; take it out")));
    }
    Ok(format!("{category}\0"))
}

fn category_key(category: &str, term_key: &str) -> Result<String, ToolError> {
    Ok(category_prefix(category)? + term_key)
}

/// Gives the time that is in a UUIDv7, in milliseconds since the Unix epoch.
pub(crate) fn milliseconds(id: Uuid) -> u64 {
    u64::try_from(id.as_u128() >> 80).expect("48 bits are left")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_of_a_beginning_is_the_beginning_of_the_key() {
        for term in ["API", "Straße", "ΟΔΟΣ ΟΔΟΣΑ", "İstanbul"] {
            let key = term_key(term);
            for (end, _) in term.char_indices() {
                assert!(key.starts_with(&term_key(&term[..end])), "{} of {term}", &term[..end]);
            }
        }
    }

    #[test]
    fn category_is_not_within_another_one() {
        let prefix = category_prefix("web").expect("no NUL is in it");
        assert!(!category_prefix("web api").expect("no NUL is in it").starts_with(&prefix));
        assert!(category_prefix("web\0api").is_err());
    }

    #[test]
    fn milliseconds_are_those_of_the_id() {
        let id = uuid::uuid!("017f22e2-79b0-7cc3-98c4-dc0c0c07398f");
        assert_eq!(milliseconds(id), 1_645_557_742_000);
    }
}
