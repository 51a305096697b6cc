//! Names in place of ids: what a crash takes back is made again with other ids, and that is no difference.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use uuid::Uuid;

/// Ids, in the order in which they were made.
pub(crate) struct Renamed(Vec<Uuid>);

impl Renamed {
    /// Of those that were made, the ones in these texts.
    pub(crate) fn new<'t>(made: &BTreeSet<Uuid>, texts: impl IntoIterator<Item = &'t str>) -> Self {
        let mut kept = BTreeSet::new();
        for text in texts {
            ids(text).map(|(_, _, id)| id).filter(|id| made.contains(id)).for_each(|id| {
                kept.insert(id);
            });
        }
        Self(kept.into_iter().collect())
    }

    /// The text with names in place of ids.
    pub(crate) fn of(&self, text: &str) -> String {
        let mut renamed = String::with_capacity(text.len());
        let mut from = 0;
        for (at, length, id) in ids(text) {
            let Ok(number) = self.0.binary_search(&id) else { continue };
            renamed.push_str(&text[from..at]);
            write!(renamed, "<id {}>", number + 1).expect("a String takes everything");
            from = at + length;
        }
        renamed.push_str(&text[from..]);
        renamed
    }
}

/// The UUIDs in a text, with and without hyphens: where, how long, which.
fn ids(text: &str) -> impl Iterator<Item = (usize, usize, Uuid)> + '_ {
    let mut from = 0;
    std::iter::from_fn(move || {
        while from < text.len() {
            let at = from;
            let found = [36, 32].into_iter().find_map(|length| {
                let part = text.get(at..at + length)?;
                Some((at, length, Uuid::try_parse(part).ok()?))
            });
            from += found.map_or(1, |(_, length, _)| length);
            if found.is_some() {
                return found;
            }
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_were_made_are_named_by_their_order_and_others_are_kept() {
        let [one, two, other] = [1, 2, 3].map(Uuid::from_u128);
        let made = BTreeSet::from([one, two]);
        let text = format!("é{two}, order_{}; {other} {two}{one}", one.simple());
        let renamed = Renamed::new(&made, [text.as_str()]);
        assert_eq!(renamed.of(&text), format!("é<id 2>, order_<id 1>; {other} <id 2><id 1>"));
    }

    #[test]
    fn an_id_that_is_in_no_text_takes_no_number() {
        let [lost, kept] = [1, 2].map(Uuid::from_u128);
        let text = kept.to_string();
        let renamed = Renamed::new(&BTreeSet::from([lost, kept]), [text.as_str()]);
        assert_eq!(renamed.of(&text), "<id 1>");
    }
}
