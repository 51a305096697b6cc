//! Where generated tokens point: at what part of the user's source, and at which runtime.

use proc_macro2::{Delimiter, Group, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::{Ident, Path};

/// A span of ours at the place of `span`: our names cannot clash with the user's, and messages land there.
pub(crate) fn ours(span: Span) -> Span {
    Span::mixed_site().located_at(span)
}

/// The place of a piece of the user's source, from its first token to its last.
///
/// A stable compiler cannot join spans. It does join the ends of what it parses, so a call whose path starts at `first`
/// and whose parentheses lie at `last` is shown as the whole piece.
#[derive(Clone, Copy)]
pub(crate) struct Extent {
    first: Span,
    last: Span,
}

impl Extent {
    pub(crate) fn of(tokens: impl ToTokens) -> Self {
        let mut tokens = tokens.into_token_stream().into_iter();
        let first = tokens.next().map_or_else(Span::call_site, |token| token.span());
        let last = tokens.last().map_or(first, |token| token.span());
        Self { first, last }
    }

    pub(crate) fn at(span: Span) -> Self {
        Self { first: span, last: span }
    }

    /// The span of our tokens that begin the piece.
    pub(crate) fn first(self) -> Span {
        ours(self.first)
    }

    /// The span of our tokens that end the piece.
    pub(crate) fn last(self) -> Span {
        ours(self.last)
    }

    /// The delimiters that end the piece.
    pub(crate) fn group(self, delimiter: Delimiter, content: TokenStream) -> Group {
        let mut group = Group::new(delimiter, content);
        group.set_span(self.last());
        group
    }
}

/// The module of the runtime that expansions call.
pub(crate) struct Runtime {
    /// `None` is `::durable_runtime`.
    library: Option<Path>,
}

impl Runtime {
    pub(crate) fn new(library: Option<Path>) -> Self {
        Self { library }
    }

    /// Whether this is where the runtime is found.
    pub(crate) fn is_at(&self, path: &[String]) -> bool {
        self.library.as_ref().is_some_and(|library| library.segments.iter().map(|segment| &segment.ident).eq(path))
    }

    /// The path of an item of the runtime, shown over all of `extent`.
    pub(crate) fn item(&self, name: &str, extent: Extent) -> TokenStream {
        let mut path = self.module_at(extent.first());
        for name in name.split("::") {
            let name = Ident::new(name, extent.last());
            path.extend(quote_spanned!(extent.first()=> ::#name));
        }
        path
    }

    /// A call of a function of the runtime, shown over all of `extent`.
    pub(crate) fn call(&self, function: &str, extent: Extent, arguments: TokenStream) -> TokenStream {
        let function = self.item(function, extent);
        let arguments = extent.group(Delimiter::Parenthesis, arguments);
        quote!(#function #arguments)
    }

    /// The path of the module; what is wrong with it is shown where the user says it.
    pub(crate) fn module(&self) -> TokenStream {
        let span = Span::mixed_site();
        match &self.library {
            None => quote_spanned!(span=> ::durable_runtime::__private),
            Some(library) => quote_spanned!(span=> #library::__private),
        }
    }

    /// The path of the module for tests.
    pub(crate) fn testing(&self) -> TokenStream {
        let span = Span::mixed_site();
        match &self.library {
            None => quote_spanned!(span=> ::durable_runtime::testing),
            Some(library) => quote_spanned!(span=> #library::testing),
        }
    }

    /// The path of the module, shown at `span`.
    fn module_at(&self, span: Span) -> TokenStream {
        let path = self.module().into_iter().map(|mut token: TokenTree| {
            // The user's names keep what they resolve to.
            token.set_span(token.span().located_at(span));
            token
        });
        path.collect()
    }

    /// The path of a library that the runtime re-exports, in the form in which `serde(crate = "..")` takes it.
    pub(crate) fn library_text(&self, name: &str) -> String {
        let module = self.module().to_string();
        format!("{module}::{name}").replace(' ', "")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_runtime_is_found_from_the_root_unless_the_tool_says_where() {
        let named = Runtime::new(Some(syn::parse_quote!(crate::durable)));
        assert_eq!(Runtime::new(None).library_text("serde"), "::durable_runtime::__private::serde");
        assert_eq!(named.library_text("serde"), "crate::durable::__private::serde");
        assert_eq!(
            named.call("attempt", Extent::at(Span::call_site()), quote!(cx)).to_string(),
            quote!(crate::durable::__private::attempt(cx)).to_string()
        );
    }
}
