//! Tokens that belong to another macro, which the framework does not expand and so cannot see into.

use super::marker;
use crate::diagnostics::Diagnostics;
use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};
use syn::parse::Parser as _;
use syn::{Attribute, Macro};

/// Macros that await their arguments without the word.
const AWAITING: &[&str] = &["join", "try_join", "select", "select_biased", "race"];

/// Reports what of a macro call in a tool body would be awaited behind the framework's back. Returns whether it did.
pub(crate) fn refuse(call: &Macro, diagnostics: &mut Diagnostics) -> bool {
    let Some(name) = call.path.segments.last().map(|segment| segment.ident.to_string()) else {
        return false;
    };
    if AWAITING.contains(&name.as_str()) {
        diagnostics.on(
            &call.path,
            format!(
                "`{name}!` awaits where the framework cannot see it: use `join!`, `try_join!` or `race!` of \
                 `durable_runtime`, or put the whole of it into a step, `#[once(at_least)] async {{ .. }}.await`"
            ),
        );
        return true;
    }
    refuse_tokens(&format!("`{name}!`"), call.tokens.clone(), diagnostics)
}

/// Reports awaits in an expression that is computed before a step, each time the step is come to.
pub(crate) fn refuse_in_key(key: TokenStream, diagnostics: &mut Diagnostics) -> bool {
    let mut found = Vec::new();
    search(key, &mut found);
    for Hidden::Await(at) | Hidden::Marker(at) in &found {
        diagnostics.at(*at, "a key is computed without waiting: await in a `let` before, and use that in the key");
    }
    !found.is_empty()
}

/// Reports awaits and markers among the tokens of `owner`. Returns whether there are any.
pub(crate) fn refuse_tokens(owner: &str, tokens: TokenStream, diagnostics: &mut Diagnostics) -> bool {
    let mut found = Vec::new();
    search(tokens, &mut found);
    for hidden in &found {
        match hidden {
            Hidden::Await(at) => diagnostics.at(
                *at,
                format!("the framework cannot see an `.await` inside {owner}: await in a `let` before, and use that here"),
            ),
            Hidden::Marker(at) => diagnostics.at(
                *at,
                format!("the framework cannot see a marker inside {owner}: write the step as a `let` before, and use that here"),
            ),
        }
    }
    !found.is_empty()
}

enum Hidden {
    Await(Span),
    Marker(Span),
}

fn search(tokens: TokenStream, found: &mut Vec<Hidden>) {
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Ident(word) if word == "await" => found.push(Hidden::Await(word.span())),
            TokenTree::Group(group) => search(group.stream(), found),
            TokenTree::Punct(punct) if punct.as_char() == '#' => {
                if let Some(TokenTree::Group(group)) = tokens.peek()
                    && group.delimiter() == Delimiter::Bracket
                    && let Some(at) = marker_in(group)
                {
                    found.push(Hidden::Marker(at));
                    tokens.next();
                }
            }
            _ => {}
        }
    }
}

/// The place of the marker that `#` and this group are, if they are one.
fn marker_in(group: &proc_macro2::Group) -> Option<Span> {
    let attribute = quote::quote!(# #group);
    let attributes = Attribute::parse_outer.parse2(attribute).ok()?;
    let marker = attributes.iter().find(|attribute| marker::is_marker(attribute))?;
    marker.path().segments.last().map(|segment| segment.ident.span())
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::quote;

    fn messages(call: TokenStream) -> Vec<String> {
        let mut diagnostics = Diagnostics::default();
        refuse(&syn::parse2(call).expect("a macro call"), &mut diagnostics);
        diagnostics.messages()
    }

    #[test]
    fn awaits_and_markers_in_macro_tokens_are_found_at_any_depth() {
        let found = messages(quote!(vec![first, {
            #[durable_runtime::once(at_least)]
            second().await
        }]));
        assert_eq!(found.len(), 2);
        assert!(found.iter().any(|message| message.starts_with("the framework cannot see a marker inside `vec!`")));
        assert!(found.iter().any(|message| message.starts_with("the framework cannot see an `.await` inside `vec!`")));
    }

    #[test]
    fn macros_that_await_their_arguments_are_known_by_name() {
        assert!(messages(quote!(tokio::join!(first, second)))[0].starts_with("`join!` awaits"));
    }

    #[test]
    fn the_word_once_alone_is_no_marker() {
        assert_eq!(
            messages(quote!(vec![
                once,
                once(1),
                #[cfg(once)]
                three
            ])),
            <[String; 0]>::default()
        );
    }
}
