//! Expands an `#[audit(..)]` that the compiler itself has met: it stands above `#[durable_tool]`, or at no tool.

use super::args::is_audit;
use crate::diagnostics::Diagnostics;
use crate::{helper, tool};
use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{quote, quote_spanned};
use syn::Attribute;
use syn::parse::{ParseStream, Parser as _};

/// Moves the attribute below `#[durable_tool]`, which reads it, or reports that there is none.
pub(crate) fn expand(options: &TokenStream, item: &TokenStream) -> TokenStream {
    let (attributes, rest) = split(item);
    let place = Span::call_site();
    if attributes.iter().any(tool::is_tool) {
        let list = (!options.is_empty()).then(|| quote_spanned!(place=> (#options)));
        let moved = quote_spanned!(place=> #[audit #list]);
        return quote!(#(#attributes)* #moved #rest);
    }
    let message = if attributes.iter().any(helper::is_durable) {
        "a durable function is called by tools, and it is their calls that are audited: write `#[audit(..)]` on the tools, \
         or `cx.audit(\"log\", &entry).await?` in the body"
    } else if is_function(&rest) {
        "only the calls of tools are audited: write `#[durable_tool]` beside `#[audit(..)]`, or \
         `cx.audit(\"log\", &entry).await?` in the body of a tool or of a step in place of it"
    } else {
        "`#[audit(..)]` is for a function under `#[durable_tool]`, and this is none: move it onto one, or remove it"
    };
    let mut diagnostics = Diagnostics::default();
    diagnostics.at(place, message);
    let errors = diagnostics.into_compile_errors();
    quote!(#errors #item)
}

/// The item without its audit logs: what is wrong with it is reported, and that it cannot be audited follows from that.
pub(crate) fn without(item: &TokenStream) -> TokenStream {
    let (attributes, rest) = split(item);
    let kept = attributes.iter().filter(|attribute| !is_audit(attribute));
    quote!(#(#kept)* #rest)
}

/// The attributes of an item, and the item, which need not be sound.
fn split(item: &TokenStream) -> (Vec<Attribute>, TokenStream) {
    let parser = |input: ParseStream<'_>| Ok((input.call(Attribute::parse_outer)?, input.parse()?));
    parser.parse2(item.clone()).unwrap_or_else(|_| (Vec::new(), item.clone()))
}

fn is_function(item: &TokenStream) -> bool {
    const ITEMS: [&str; 11] =
        ["fn", "struct", "enum", "union", "impl", "trait", "mod", "static", "type", "use", "macro_rules"];
    let mut words = item.clone().into_iter().filter_map(|token| match token {
        TokenTree::Ident(word) => Some(word.to_string()),
        _ => None,
    });
    words.find(|word| ITEMS.contains(&word.as_str())).is_some_and(|word| word == "fn")
}
