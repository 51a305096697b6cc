//! Durable functions: what `#[durable]` makes of a helper of tools.

mod args;
mod expand;
mod lifetimes;
mod signature;

use crate::determinism;
use crate::diagnostics::Diagnostics;
use crate::once::{self, Body};
use crate::origin::Runtime;
use crate::unfinished::Unfinished;
use args::Options;
use expand::Helper;
use proc_macro2::{Span, TokenStream, TokenTree};
use quote::quote;
use syn::ext::IdentExt as _;
use syn::{Attribute, Ident, ItemFn};

/// Expands `#[durable(..)]` on an item.
pub(crate) fn expand(options: TokenStream, item: &TokenStream) -> TokenStream {
    let mut diagnostics = Diagnostics::default();
    let options = Options::read(options, &mut diagnostics);
    let mut typed = None;
    let mut function: ItemFn = match syn::parse2(item.clone()) {
        Ok(function) => function,
        Err(error) if let Some(unfinished) = Unfinished::read(item) => {
            diagnostics.push(error);
            let function = unfinished.function.clone();
            typed = Some(unfinished.typed());
            function
        }
        Err(error) => {
            if is_function(item) {
                diagnostics.push(error);
            } else {
                diagnostics
                    .on(item, "a durable function is an async function: move `#[durable]` onto one, or remove it");
            }
            let errors = diagnostics.into_compile_errors();
            return quote!(#errors #item);
        }
    };
    misplaced_attributes(&mut function, &mut diagnostics);
    let reading = signature::read(&function.sig, &mut diagnostics);
    let runtime = Runtime::new(options.library);
    let context = reading.context.clone().unwrap_or_else(|| Ident::new("cx", Span::mixed_site()));
    let parameters = signature::named_types(&function.sig);
    let deterministic = determinism::check(&mut function.block, parameters, &runtime, &mut diagnostics);
    let body_is_whole = Body::new(&runtime, &context, &mut diagnostics).rewrite(&mut function.block) && deterministic;
    let name = options.name.map_or_else(|| function.sig.ident.unraw().to_string(), |name| name.value());
    let helper = Helper {
        runtime: &runtime,
        context: reading.context.filter(|_| reading.whole && body_is_whole && typed.is_none()),
        name,
        key: options.key,
        function,
    };
    let helper = helper.expand();
    let errors = diagnostics.into_compile_errors();
    quote!(#errors #helper #typed)
}

/// Whether an attribute makes a function durable.
pub(crate) fn is_durable(attribute: &Attribute) -> bool {
    attribute.path().segments.last().is_some_and(|segment| segment.ident == "durable")
}

/// Reports the macros of this crate among the other attributes of the function.
fn misplaced_attributes(function: &mut ItemFn, diagnostics: &mut Diagnostics) {
    for marker in once::take_markers(&mut function.attrs) {
        diagnostics.on(
            marker.path(),
            "a step is an awaited expression, not a function: write `#[once(..)]` in the body, or remove it",
        );
    }
    for tool in function.attrs.extract_if(.., |attribute| crate::tool::is_tool(attribute)) {
        diagnostics.on(
            tool.path(),
            "a tool is durable, and called by clients only: remove `#[durable]`, or remove `#[durable_tool]` and call \
             the function from a tool",
        );
    }
    for audit in function.attrs.extract_if(.., |attribute| crate::audit::is_audit(attribute)) {
        diagnostics.on(
            audit.path(),
            "a durable function is called by tools, and it is their calls that are audited: write `#[audit(..)]` on the \
             tools, or `cx.audit(\"log\", &entry).await?` in the body",
        );
    }
    for again in function.attrs.extract_if(.., |attribute| is_durable(attribute)) {
        diagnostics.on(again.path(), "the function is durable already: write all options in one `#[durable(..)]`");
    }
}

fn is_function(item: &TokenStream) -> bool {
    item.clone().into_iter().any(|token| matches!(token, TokenTree::Ident(word) if word == "fn"))
}

#[cfg(test)]
mod tests;
