//! Tools: what `#[durable_tool]` makes of a function.

mod args;
mod argument;
mod expand;
mod idempotency;
mod kind;
mod plan;
mod rename;
mod signature;
mod template;

use crate::diagnostics::Diagnostics;
use crate::unfinished::Unfinished;
use args::Options;
use plan::Plan;

use proc_macro2::{TokenStream, TokenTree};
use quote::{ToTokens as _, quote};
use syn::{Attribute, FnArg, ForeignItemFn, ItemFn, Path, Receiver, Type, parse_quote};

/// Expands `#[durable_tool(..)]`, `#[durable_prompt(..)]` or `#[durable_resource(..)]` on an item.
pub(crate) fn expand(kind: Kind, options: TokenStream, item: &TokenStream) -> TokenStream {
    let mut diagnostics = Diagnostics::default();
    let options = Options::read(kind, options, &mut diagnostics);
    let function: ItemFn = match syn::parse2(item.clone())
        .or_else(|error| bodiless(item, &mut diagnostics).ok_or(error))
    {
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
                let (noun, attribute) = (kind.noun(), kind.attribute());
                diagnostics
                    .on(item, format!("a {noun} is an async function: move `#[{attribute}]` onto one, or remove it"));
            }
            let errors = diagnostics.into_compile_errors();
            let item = crate::audit::without(item);
            return quote!(#errors #item);
        }
    };
    let is_method = function.sig.inputs.iter().any(|input| matches!(input, FnArg::Receiver(_)));
    // Where there is a `self`, there can be no struct beside the function.
    let method = is_method.then(|| hollow(function.clone()));
    let plan = Plan::new(options, function, &mut diagnostics);
    let tool = match method {
        Some(method) => quote!(#method),
        None => plan.expand(),
    };
    let errors = diagnostics.into_compile_errors();
    quote!(#errors #tool)
}

pub(crate) use kind::Kind;

/// Expands a method of this type, which is sound up to now or not. Gives what stands in the impl block, and what makes a tool of it.
pub(crate) fn expand_method(
    options: TokenStream,
    mut method: ItemFn,
    receiver: Option<Receiver>,
    owner: &Type,
    library: Option<&Path>,
    is_sound: bool,
    diagnostics: &mut Diagnostics,
) -> (TokenStream, TokenStream) {
    let before = diagnostics.count();
    let mut options = Options::read(Kind::Tool, options, diagnostics);
    if options.library.is_none() {
        options.library = library.cloned();
    }
    let mut whole = method.clone();
    whole.sig.inputs = receiver.clone().map(FnArg::Receiver).into_iter().chain(whole.sig.inputs).collect();
    // The impl block has them, whatever becomes of the method.
    let outer: Vec<Attribute> =
        method.attrs.extract_if(.., |attribute| !["doc", "cfg", "audit"].contains(&last(attribute).as_str())).collect();
    let visibility = method.vis.clone();
    let plan = Plan::new(options, method, diagnostics);
    match plan.expand_method(owner, receiver.as_ref(), &visibility, &outer) {
        Some(expanded) if is_sound && diagnostics.count() == before => expanded,
        _ => (hollow(whole).into_token_stream(), TokenStream::new()),
    }
}

fn last(attribute: &Attribute) -> String {
    attribute.path().segments.last().map_or_else(String::new, |segment| segment.ident.to_string())
}

/// A function as far as its callers see it.
fn hollow(mut function: ItemFn) -> ItemFn {
    function.attrs.retain(|attribute| attribute.path().is_ident("doc") || attribute.path().is_ident("cfg"));
    function.attrs.push(parse_quote!(#[allow(unused_variables)]));
    for input in &mut function.sig.inputs {
        if let FnArg::Typed(parameter) = input {
            parameter.attrs.clear();
        }
    }
    function.block = parse_quote!({ ::core::unreachable!() });
    function
}

/// Whether an attribute makes a tool of a function.
pub(crate) fn is_tool(attribute: &Attribute) -> bool {
    attribute.path().segments.last().is_some_and(|segment| {
        [Kind::Tool, Kind::Prompt, Kind::Resource].iter().any(|kind| segment.ident == kind.attribute())
    })
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
