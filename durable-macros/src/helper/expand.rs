//! Writes a durable function: a plain one that takes a scope at the call, and returns its body as a durable operation.

use super::lifetimes;
use crate::origin::{Extent, Runtime, ours};
use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};
use quote::{ToTokens as _, quote, quote_spanned};
use syn::visit::{self, Visit};
use syn::{Attribute, Expr, FnArg, Ident, ItemFn, Pat, ReturnType, Type, TypeImplTrait};

/// The lints that the form would otherwise set off in the author's function.
const FORCED: &str = "clippy::let_unit_value, clippy::multiple_bound_locations, clippy::needless_lifetimes, \
                      clippy::no_effect_underscore_binding, clippy::redundant_locals, \
                      clippy::trait_duplication_in_bounds, clippy::type_complexity, clippy::type_repetition_in_bounds, \
                      clippy::used_underscore_binding";

/// A durable function, with its body rewritten.
pub(super) struct Helper<'a> {
    pub(super) runtime: &'a Runtime,
    /// `None` if mistakes have left no body that the compiler could check without complaining again.
    pub(super) context: Option<Ident>,
    pub(super) name: String,
    pub(super) key: Option<Expr>,
    pub(super) function: ItemFn,
}

impl Helper<'_> {
    pub(super) fn expand(mut self) -> TokenStream {
        let span = Span::mixed_site();
        let signature = &mut self.function.sig;
        signature.asyncness = None;
        signature.constness = None;
        signature.safety = syn::Safety::Default;
        signature.abi = None;
        signature.variadic = None;
        lifetimes::name(signature);
        let output = match &signature.output {
            ReturnType::Default => quote_spanned!(span=> ()),
            ReturnType::Type(_, ty) => ty.to_token_stream(),
        };
        let future = lifetimes::of_the_future();
        let operation = self.runtime.item("Operation", Extent::at(signature.ident.span()));
        let returned = quote_spanned!(span=> -> #operation<#future, #output>);
        let body = if let Some(context) = &self.context {
            self.body(context, &output)
        } else {
            quote_spanned!(span=> ::core::unreachable!())
        };
        let allowed: TokenStream = FORCED.parse().unwrap_or_default();
        let unused = self.context.is_none().then(|| quote_spanned!(span=> , unused_variables, unused_mut));
        self.rebindable(|name| name.mutability = None);
        let ItemFn { attrs, vis, sig, .. } = &mut self.function;
        sig.output = ReturnType::Default;
        let clause = sig.generics.where_clause.take();
        quote_spanned! {span=>
            #(#attrs)*
            #[allow(#allowed #unused)]
            #vis #sig #returned #clause {
                #body
            }
        }
    }

    /// Walks through the parameters that are plain names, other than the context.
    fn rebindable(&mut self, mut each: impl FnMut(&mut syn::PatIdent)) {
        for input in &mut self.function.sig.inputs {
            if let FnArg::Typed(parameter) = input
                && let Pat::Ident(name) = &mut *parameter.pat
                && name.by_ref.is_none()
                && name.subpat.is_none()
            {
                each(name);
            }
        }
    }

    fn body(&self, context: &Ident, output: &TokenStream) -> TokenStream {
        let span = Span::mixed_site();
        let function = &self.function;
        let name = &self.name;
        let at_name = Extent::at(function.sig.ident.span());
        let key = if let Some(key) = &self.key {
            let extent = Extent::of(key);
            let grouped = extent.group(Delimiter::Parenthesis, key.to_token_stream());
            self.runtime.call("key", extent, quote_spanned!(extent.first()=> &#grouped))
        } else {
            quote_spanned!(span=> ::core::option::Option::None)
        };
        let enter = self.runtime.call("enter", at_name, quote!(#context, #name, #key));
        let kept = function.sig.inputs.iter().filter_map(|input| self.kept(input, context));
        let block = &function.block;
        let typed = match &function.sig.output {
            ReturnType::Type(_, ty) if has_a_name(ty) => {
                let returns = self.runtime.item("returns", Extent::at(function.sig.ident.span()));
                // What the body returns early has this type too, whatever comes first.
                quote_spanned! {span=>
                    if let ::core::option::Option::Some(output) = #returns::<#output>() {
                        return output;
                    }
                    #(#kept)*
                    let output: #output = #block;
                    output
                }
            }
            _ => quote_spanned!(span=> #(#kept)* #block),
        };
        let future = quote_spanned! {ours(function.sig.ident.span())=>
            async move {
                let #context = &scope;
                #typed
            }
        };
        let operation = self.runtime.call("operation", at_name, future);
        quote_spanned! {span=>
            let scope = #enter;
            #operation
        }
    }

    /// Takes a parameter into the future, which keeps it to its end, as an async function does.
    fn kept(&self, input: &FnArg, context: &Ident) -> Option<TokenStream> {
        let FnArg::Typed(parameter) = input else { return None };
        let Pat::Ident(name) = &*parameter.pat else { return None };
        if name.ident == *context || name.by_ref.is_some() || name.subpat.is_some() {
            return None;
        }
        let span = Span::mixed_site();
        let conditions: Vec<&Attribute> =
            parameter.attrs.iter().filter(|attribute| attribute.path().is_ident("cfg")).collect();
        let (mutability, name) = (&name.mutability, &name.ident);
        let in_key = self.key.as_ref().is_some_and(|key| names(key.to_token_stream(), name));
        let used = in_key.then(|| quote_spanned!(span=> #[allow(unused_variables)]));
        Some(quote_spanned!(span=> #(#conditions)* #used let #mutability #name = #name;))
    }
}

/// Whether a name is among the tokens; a text may have it inside, as in `format!("{name}")`.
fn names(tokens: TokenStream, name: &Ident) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(word) => word == *name,
        TokenTree::Group(group) => names(group.stream(), name),
        TokenTree::Literal(text) => text.to_string().contains(&format!("{{{name}")),
        TokenTree::Punct(_) => false,
    })
}

/// Whether a type can be written in a body.
fn has_a_name(ty: &Type) -> bool {
    struct Unnamed(bool);
    impl Visit<'_> for Unnamed {
        fn visit_type_impl_trait(&mut self, ty: &TypeImplTrait) {
            self.0 = true;
            visit::visit_type_impl_trait(self, ty);
        }
    }
    let mut unnamed = Unnamed(false);
    unnamed.visit_type(ty);
    !unnamed.0
}
