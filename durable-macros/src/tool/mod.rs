//! Tools: what `#[durable_tool]` makes of a function.

mod args;
mod argument;
mod expand;
mod idempotency;
mod plan;
mod rename;
mod signature;

use crate::diagnostics::Diagnostics;
use crate::unfinished::Unfinished;
use args::Options;
use plan::Plan;
use proc_macro2::{TokenStream, TokenTree};
use quote::quote;
use syn::{Attribute, FnArg, ForeignItemFn, ItemFn, parse_quote};

/// Expands `#[durable_tool(..)]` on an item.
pub(crate) fn expand(options: TokenStream, item: &TokenStream) -> TokenStream {
    let mut diagnostics = Diagnostics::default();
    let options = Options::read(options, &mut diagnostics);
    let function: ItemFn =
        match syn::parse2(item.clone()).or_else(|error| bodiless(item, &mut diagnostics).ok_or(error)) {
            Ok(function) => function,
            Err(error) => {
                if let Some(unfinished) = Unfinished::read(item) {
                    diagnostics.push(error);
                    let plan = Plan::unfinished(options, unfinished.function.clone(), &mut diagnostics);
                    let (tool, typed) = (plan.expand(), unfinished.typed());
                    let errors = diagnostics.into_compile_errors();
                    return quote!(#errors #tool #typed);
                }
                if is_function(item) {
                    diagnostics.push(error);
                } else {
                    diagnostics.on(item, "a tool is an async function: move `#[durable_tool]` onto one, or remove it");
                }
                let errors = diagnostics.into_compile_errors();
                let item = crate::audit::without(item);
                return quote!(#errors #item);
            }
        };
    let is_method = function.sig.inputs.iter().any(|input| matches!(input, FnArg::Receiver(_)));
    let method = is_method.then(|| {
        // Where there is a `self`, there can be no struct beside the function.
        let mut method = function.clone();
        method.attrs.retain(|attribute| attribute.path().is_ident("doc"));
        method.attrs.push(parse_quote!(#[allow(unused_variables)]));
        for input in &mut method.sig.inputs {
            if let FnArg::Typed(parameter) = input {
                parameter.attrs.clear();
            }
        }
        method.block = parse_quote!({ ::core::unreachable!() });
        method
    });
    let plan = Plan::new(options, function, &mut diagnostics);
    let tool = match method {
        Some(method) => quote!(#method),
        None => plan.expand(),
    };
    let errors = diagnostics.into_compile_errors();
    quote!(#errors #tool)
}

/// Whether an attribute makes a tool of a function.
pub(crate) fn is_tool(attribute: &Attribute) -> bool {
    attribute.path().segments.last().is_some_and(|segment| segment.ident == "durable_tool")
}

/// A function that ends with `;`, which is reported, with a body put in.
fn bodiless(item: &TokenStream, diagnostics: &mut Diagnostics) -> Option<ItemFn> {
    let function: ForeignItemFn = syn::parse2(item.clone()).ok()?;
    diagnostics.on(function.semi_token, "a tool is a function with a body: write `{ .. }` in place of `;`");
    let ForeignItemFn { attrs, vis, sig, .. } = function;
    Some(parse_quote! {
        #(#attrs)*
        #[allow(unused_variables)]
        #vis #sig {
            ::core::unreachable!()
        }
    })
}

fn is_function(item: &TokenStream) -> bool {
    item.clone().into_iter().any(|token| matches!(token, TokenTree::Ident(word) if word == "fn"))
}

#[cfg(test)]
mod tests;
