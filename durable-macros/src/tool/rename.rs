//! The names by which clients give arguments, made of those of parameters as serde makes them of fields.

use syn::{Error, LitStr, Result};

/// A rule of serde's `rename_all`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Rename {
    Lower,
    Upper,
    Pascal,
    Camel,
    Snake,
    ScreamingSnake,
    Kebab,
    ScreamingKebab,
}

const RULES: &[(&str, Rename)] = &[
    ("lowercase", Rename::Lower),
    ("UPPERCASE", Rename::Upper),
    ("PascalCase", Rename::Pascal),
    ("camelCase", Rename::Camel),
    ("snake_case", Rename::Snake),
    ("SCREAMING_SNAKE_CASE", Rename::ScreamingSnake),
    ("kebab-case", Rename::Kebab),
    ("SCREAMING-KEBAB-CASE", Rename::ScreamingKebab),
];

impl Rename {
    pub(crate) fn read(text: &LitStr) -> Result<Self> {
        let value = text.value();
        RULES.iter().find(|(name, _)| *name == value).map(|(_, rule)| *rule).ok_or_else(|| {
            let known: Vec<String> = RULES.iter().map(|(name, _)| format!("`{name}`")).collect();
            Error::new(text.span(), format!("`{value}` is no way to write names: write one of {}", known.join(", ")))
        })
    }

    pub(crate) fn apply(self, name: &str) -> String {
        match self {
            Self::Lower | Self::Snake => name.to_owned(),
            Self::Upper | Self::ScreamingSnake => name.to_ascii_uppercase(),
            Self::Pascal => pascal(name),
            Self::Camel => {
                let pascal = pascal(name);
                let mut letters = pascal.chars();
                letters.next().map(|first| first.to_ascii_lowercase()).into_iter().chain(letters).collect()
            }
            Self::Kebab => name.replace('_', "-"),
            Self::ScreamingKebab => name.to_ascii_uppercase().replace('_', "-"),
        }
    }
}

fn pascal(name: &str) -> String {
    let mut pascal = String::new();
    let mut begins = true;
    for letter in name.chars() {
        if letter == '_' {
            begins = true;
        } else if std::mem::take(&mut begins) {
            pascal.push(letter.to_ascii_uppercase());
        } else {
            pascal.push(letter);
        }
    }
    pascal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_made_as_serde_makes_them_of_fields() {
        let made: Vec<String> = RULES.iter().map(|(_, rule)| rule.apply("street_name2")).collect();
        assert_eq!(
            made,
            [
                "street_name2",
                "STREET_NAME2",
                "StreetName2",
                "streetName2",
                "street_name2",
                "STREET_NAME2",
                "street-name2",
                "STREET-NAME2"
            ]
        );
    }
}
