//! Finds steps that are marked at most once, in the tokens of a body.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use quote::ToTokens as _;
use syn::Block;

/// Whether a body has a step that is marked at most once, in a branch of `join!` and its kind too.
pub(crate) fn has_step(body: &Block) -> bool {
    search(body.to_token_stream())
}

fn search(tokens: TokenStream) -> bool {
    let mut after_hash = false;
    for token in tokens {
        if let TokenTree::Group(group) = &token
            && (search(group.stream())
                || after_hash && group.delimiter() == Delimiter::Bracket && is_at_most(group.stream()))
        {
            return true;
        }
        after_hash = matches!(&token, TokenTree::Punct(punct) if punct.as_char() == '#');
    }
    false
}

/// Whether an attribute is `once(.., at_most, ..)`.
fn is_at_most(attribute: TokenStream) -> bool {
    let mut after_once = false;
    for token in attribute {
        if let TokenTree::Group(group) = &token
            && after_once
        {
            let is_kind = |token| matches!(token, TokenTree::Ident(word) if word == "at_most");
            return group.stream().into_iter().any(is_kind);
        }
        after_once = matches!(&token, TokenTree::Ident(word) if word == "once");
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_found_wherever_they_are_written_and_by_their_kind() {
        for body in [
            "{ #[once(at_most)] a().await }",
            "{ let x = #[durable_runtime::once(name = \"a\", at_most)] a().await; }",
            "{ join!(async { #[once(at_most)] a().await }, b(cx)) }",
        ] {
            assert!(has_step(&syn::parse_str(body).expect("a block")), "{body}");
        }
        for body in
            ["{ #[once(at_least)] at_most().await }", "{ once(at_most) }", "{ #[once(key = f(at_most))] a().await }"]
        {
            assert!(!has_step(&syn::parse_str(body).expect("a block")), "{body}");
        }
    }
}
