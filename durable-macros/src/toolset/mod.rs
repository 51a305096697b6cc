//! Tools that are methods: what `#[durable_tools]` makes of an impl block.

mod method;

use crate::diagnostics::Diagnostics;
use crate::option::{self, Vocabulary};
use crate::origin::{Extent, Runtime};
use crate::tool;
use method::Method;
pub(crate) use method::Outside;
use proc_macro2::{Span, TokenStream};
use quote::{ToTokens as _, quote, quote_spanned};
use syn::{ImplItem, ItemImpl, Path};

const TOOLSET: Vocabulary = Vocabulary { owner: "`#[durable_tools(..)]`", names: &["crate"] };

/// Expands `#[durable_tools(..)]` on an item.
pub(crate) fn expand(options: TokenStream, item: &TokenStream) -> TokenStream {
    let mut diagnostics = Diagnostics::default();
    let mut library: Option<Path> = None;
    TOOLSET.read(options, &mut diagnostics, |name, input, _| {
        library = Some(option::library(name, input)?);
        Ok(())
    });
    let mut block: ItemImpl = match syn::parse2(item.clone()) {
        Ok(block) => block,
        Err(error) => {
            if item.clone().into_iter().any(|token| token.to_string() == "impl") {
                diagnostics.push(error);
            } else {
                diagnostics.on(
                    item,
                    "tools that are methods stand in an `impl` block: move `#[durable_tools]` onto one, or write \
                     `#[durable_tool]` on a function",
                );
            }
            let errors = diagnostics.into_compile_errors();
            return quote!(#errors #item);
        }
    };
    let is_of_a_type = check(&block, &mut diagnostics);
    let owner = (*block.self_ty).clone();
    let mut registrations = TokenStream::new();
    let mut tools = 0;
    for member in &mut block.items {
        let ImplItem::Fn(function) = member else { continue };
        let Some(index) = function.attrs.iter().position(tool::is_tool) else { continue };
        tools += 1;
        let attribute = function.attrs.remove(index);
        let method = Method::read(&attribute, function.clone(), &owner, library.as_ref(), &mut diagnostics);
        *member = ImplItem::Verbatim(method.item);
        registrations.extend(method.registration);
    }
    if tools == 0 && is_of_a_type {
        diagnostics.on(
            &block.self_ty,
            "none of these methods is a tool: write `#[durable_tool]` on those that clients may call, or remove \
             `#[durable_tools]`",
        );
    }
    let registered = is_of_a_type.then(|| implementation(&block, &Runtime::new(library), &registrations));
    let errors = diagnostics.into_compile_errors();
    quote!(#errors #block #registered)
}

/// Reports what kinds of impl block have no tools. Returns whether there is a type that can have some.
fn check(block: &ItemImpl, diagnostics: &mut Diagnostics) -> bool {
    if let Some((of, _)) = &block.trait_ {
        diagnostics.on(
            of,
            "the methods of a trait are no tools: move `#[durable_tools]` onto an `impl` block of the type itself",
        );
    }
    if !block.generics.params.is_empty() {
        diagnostics.on(
            &block.generics,
            "tools are offered to clients with one schema, so their type is not generic: write the types out",
        );
    }
    block.trait_.is_none() && block.generics.params.is_empty()
}

/// The implementation by which a server finds the tools.
fn implementation(block: &ItemImpl, runtime: &Runtime, registrations: &TokenStream) -> TokenStream {
    let span = Span::mixed_site();
    let owner = &block.self_ty;
    // A type that cannot be shared between calls is told so under its name.
    let methods = runtime.item("ToolMethods", Extent::of(owner.to_token_stream()));
    let tool = runtime.item("Tool", Extent::at(span));
    quote_spanned! {span=>
        #[automatically_derived]
        impl #methods for #owner {
            fn tools(this: ::std::sync::Arc<Self>) -> ::std::vec::Vec<::std::boxed::Box<dyn #tool>> {
                let mut tools: ::std::vec::Vec<::std::boxed::Box<dyn #tool>> = ::std::vec::Vec::new();
                #registrations
                tools
            }
        }
    }
}

#[cfg(test)]
mod tests;
