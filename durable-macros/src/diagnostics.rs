//! Collects every mistake of one function, so that all are reported at once.

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;
use std::fmt::Display;
use syn::Error;

/// The mistakes found so far.
#[derive(Default)]
pub(crate) struct Diagnostics {
    errors: Vec<Error>,
}

impl Diagnostics {
    /// Adds a mistake that is shown under all of `tokens`.
    pub(crate) fn on(&mut self, tokens: impl ToTokens, message: impl Display) {
        self.push(Error::new_spanned(tokens, message));
    }

    /// Adds a mistake that is shown at `span`.
    pub(crate) fn at(&mut self, span: Span, message: impl Display) {
        self.push(Error::new(span, message));
    }

    /// Adds what a parser found.
    pub(crate) fn push(&mut self, error: Error) {
        self.errors.extend(error);
    }

    /// The number of mistakes so far, by which a caller notices that a part of the function has one.
    pub(crate) fn count(&self) -> usize {
        self.errors.len()
    }

    /// The errors for the compiler, in source order whatever the order in which they were found.
    pub(crate) fn into_compile_errors(mut self) -> TokenStream {
        self.sort();
        self.errors.iter().map(Error::to_compile_error).collect()
    }

    #[cfg(test)]
    pub(crate) fn messages(mut self) -> Vec<String> {
        self.sort();
        self.errors.iter().map(ToString::to_string).collect()
    }

    fn sort(&mut self) {
        self.errors.sort_by_key(|error| {
            let start = error.span().start();
            (start.line, start.column)
        });
    }
}

/// The messages that an expansion reports, in its order, and the rest of it.
#[cfg(test)]
pub(crate) fn reported(expansion: TokenStream) -> (Vec<String>, TokenStream) {
    let file: syn::File = syn::parse2(expansion).expect("items");
    let mut messages = Vec::new();
    let mut rest = TokenStream::new();
    for item in file.items {
        match item {
            syn::Item::Macro(error) => {
                let message: syn::LitStr = error.mac.parse_body().expect("a message");
                messages.push(message.value());
            }
            other => other.to_tokens(&mut rest),
        }
    }
    (messages, rest)
}
