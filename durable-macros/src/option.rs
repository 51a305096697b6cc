//! Reads lists such as `at_least, name = "charge", retry(attempts = 5)`, and goes on after a mistake.

use crate::diagnostics::Diagnostics;
use proc_macro2::{TokenStream, TokenTree};
use syn::ext::IdentExt as _;
use syn::parse::{Parse, ParseStream, Parser as _};
use syn::{Error, Ident, LitStr, Path, Result, Token};

/// What may stand in one list.
pub(crate) struct Vocabulary {
    /// What takes the options, as the user writes it.
    pub(crate) owner: &'static str,
    pub(crate) names: &'static [&'static str],
}

impl Vocabulary {
    /// Reads a list. `read` is called with each known name, once, and reads what follows it.
    ///
    /// Returns the names that unknown options were probably meant to be.
    pub(crate) fn read(
        &self,
        list: TokenStream,
        diagnostics: &mut Diagnostics,
        mut read: impl FnMut(&Ident, ParseStream<'_>, &mut Diagnostics) -> Result<()>,
    ) -> Vec<&'static str> {
        let mut meant = Vec::new();
        let parser = |input: ParseStream<'_>| {
            let mut seen: Vec<String> = Vec::new();
            while !input.is_empty() {
                if let Err(error) = self.read_one(input, &mut seen, &mut meant, diagnostics, &mut read) {
                    diagnostics.push(error);
                    skip(input);
                }
                if !input.is_empty() && input.parse::<Token![,]>().is_err() {
                    diagnostics.at(input.span(), "unexpected token after an option: separate options with `,`");
                    skip(input);
                    input.parse::<Option<Token![,]>>()?;
                }
            }
            Ok(())
        };
        if let Err(error) = parser.parse2(list) {
            diagnostics.push(error);
        }
        meant
    }

    fn read_one(
        &self,
        input: ParseStream<'_>,
        seen: &mut Vec<String>,
        meant: &mut Vec<&'static str>,
        diagnostics: &mut Diagnostics,
        read: &mut impl FnMut(&Ident, ParseStream<'_>, &mut Diagnostics) -> Result<()>,
    ) -> Result<()> {
        let Ok(name) = input.call(Ident::parse_any) else {
            return Err(input.error(format!("expected an option: {} takes {}", self.owner, self.known())));
        };
        let text = name.to_string();
        if !self.names.contains(&text.as_str()) {
            let guess = nearest(&text, self.names);
            meant.extend(guess);
            let remedy = guess.map_or_else(String::new, |guess| format!("did you mean `{guess}`? "));
            return Err(Error::new(
                name.span(),
                format!("unknown option `{text}`: {remedy}{} takes {}", self.owner, self.known()),
            ));
        }
        if seen.contains(&text) {
            return Err(Error::new(name.span(), format!("`{text}` is said twice: remove one of the two")));
        }
        seen.push(text);
        read(&name, input, diagnostics)
    }

    fn known(&self) -> String {
        let names: Vec<String> = self.names.iter().map(|name| format!("`{name}`")).collect();
        names.join(", ")
    }
}

fn skip(input: ParseStream<'_>) {
    while !input.is_empty() && !input.peek(Token![,]) {
        // A token tree is always there when the input is not empty.
        if input.parse::<TokenTree>().is_err() {
            return;
        }
    }
}

/// Reads nothing: the option is its name.
pub(crate) fn flag(name: &Ident, input: ParseStream<'_>) -> Result<()> {
    if input.is_empty() || input.peek(Token![,]) {
        return Ok(());
    }
    if input.peek(Token![=]) || input.peek(syn::token::Paren) {
        return Err(input.error(format!("`{name}` takes no value: write `{name}`")));
    }
    // The caller reports what follows.
    Ok(())
}

/// Reads `= ".."`.
pub(crate) fn text(name: &Ident, input: ParseStream<'_>) -> Result<LitStr> {
    value(name, input, "a string", "\"..\"")
}

/// Reads `= value`, where `what` and `example` say what is expected.
pub(crate) fn value<T: syn::parse::Parse>(
    name: &Ident,
    input: ParseStream<'_>,
    what: &str,
    example: &str,
) -> Result<T> {
    let remedy = || format!("`{name}` takes {what}: write `{name} = {example}`");
    if !input.peek(Token![=]) {
        return Err(Error::new(name.span(), remedy()));
    }
    input.parse::<Token![=]>()?;
    if input.is_empty() || input.peek(Token![,]) {
        return Err(Error::new(name.span(), remedy()));
    }
    let at = input.span();
    input.parse().map_err(|_| Error::new(at, remedy()))
}

/// The name that a misspelt one was probably meant to be.
pub(crate) fn nearest(name: &str, known: &[&'static str]) -> Option<&'static str> {
    let near = known.iter().map(|known| (distance(name, known), *known)).min()?;
    (near.0 <= 2 && near.0 < near.1.len()).then_some(near.1)
}

/// The number of letters to add, remove, replace or swap with the next, between two words.
fn distance(left: &str, right: &str) -> usize {
    let left: Vec<char> = left.chars().collect();
    let right: Vec<char> = right.chars().collect();
    let mut rows = vec![(0..=right.len()).collect::<Vec<_>>()];
    for (i, a) in left.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in right.iter().enumerate() {
            let replaced = rows[i][j] + usize::from(a != b);
            let mut cost = replaced.min(rows[i][j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *a == right[j - 1] && left[i - 1] == *b {
                cost = cost.min(rows[i - 1][j - 1] + 1);
            }
            row.push(cost);
        }
        rows.push(row);
    }
    rows[left.len()][right.len()]
}

/// Reads the path of the runtime.
pub(crate) fn library(name: &Ident, input: ParseStream<'_>) -> Result<Path> {
    struct ModulePath(Path);
    impl Parse for ModulePath {
        fn parse(input: ParseStream<'_>) -> Result<Self> {
            Path::parse_mod_style(input).map(Self)
        }
    }
    let ModulePath(path) = value(name, input, "the path of the runtime", "::durable_runtime")?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::quote;

    const LIST: Vocabulary = Vocabulary { owner: "`#[example]`", names: &["name", "at_least", "key"] };

    fn read(list: TokenStream) -> (Vec<String>, Vec<String>) {
        let mut diagnostics = Diagnostics::default();
        let mut names = Vec::new();
        LIST.read(list, &mut diagnostics, |name, input, _| {
            names.push(name.to_string());
            match name.to_string().as_str() {
                "name" => text(name, input).map(drop),
                "key" => value::<syn::Expr>(name, input, "an expression", "item.id").map(drop),
                _ => flag(name, input),
            }
        });
        (names, diagnostics.messages())
    }

    #[test]
    fn every_mistake_of_a_list_is_reported_and_the_rest_is_still_read() {
        let (names, messages) = read(quote!(nmae = "a", at_least = true, 5, at_least, name "b", key = x));
        assert_eq!(names, ["at_least", "name", "key"]);
        assert_eq!(
            messages,
            [
                "unknown option `nmae`: did you mean `name`? `#[example]` takes `name`, `at_least`, `key`",
                "`at_least` takes no value: write `at_least`",
                "expected an option: `#[example]` takes `name`, `at_least`, `key`",
                "`at_least` is said twice: remove one of the two",
                "`name` takes a string: write `name = \"..\"`",
            ]
        );
    }

    #[test]
    fn a_value_with_commas_of_its_own_is_one_value() {
        assert_eq!(read(quote!(key = pair::<A, B>(x, y), at_least)).1, <[String; 0]>::default());
    }

    #[test]
    fn options_without_a_comma_between_them_are_reported_once() {
        assert_eq!(
            read(quote!(name = "a" "b", at_least)),
            (
                vec!["name".into(), "at_least".into()],
                vec!["unexpected token after an option: separate options with `,`".into()]
            )
        );
    }

    #[test]
    fn a_misspelt_name_is_matched_to_a_near_one_only() {
        assert_eq!(nearest("at_leats", LIST.names), Some("at_least"));
        assert_eq!(nearest("kye", LIST.names), Some("key"));
        assert_eq!(nearest("retries", LIST.names), None);
    }
}
