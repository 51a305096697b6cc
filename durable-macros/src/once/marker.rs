//! Reads what `#[once(..)]` says.

use super::{quantity, retry};
use crate::diagnostics::Diagnostics;
use crate::option::{self, Vocabulary};
use crate::origin::Extent;
use proc_macro2::{Delimiter, Span, TokenStream};
use quote::{ToTokens as _, quote_spanned};
use syn::parse::{ParseStream, Parser as _};
use syn::{Attribute, Error, Expr, Ident, LitStr, Meta, Pat, Path, Result, Token};

const MARKER: Vocabulary = Vocabulary {
    owner: "`#[once(..)]`",
    names: &["at_least", "at_most", "name", "key", "infallible", "retry", "retry_on", "reconcile", "timeout"],
};

/// How often the effect of a step may happen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    AtLeast,
    AtMost,
}

/// One option that the runtime is told about by a method call.
#[derive(Clone)]
pub(crate) struct Setting {
    pub(crate) method: &'static str,
    pub(crate) argument: TokenStream,
    pub(crate) at: Span,
}

impl Setting {
    /// Whether the error of the step needs a form for what the setting may bring about.
    pub(crate) fn asks_of_error(&self) -> bool {
        self.method == "timeout_ms"
    }
}

/// A marker with everything that it says.
pub(crate) struct Marker {
    pub(crate) path: Path,
    pub(crate) kind: Kind,
    /// The word that says the kind.
    pub(crate) kind_at: Span,
    pub(crate) name: Option<LitStr>,
    pub(crate) key: Option<Expr>,
    pub(crate) infallible: Option<Span>,
    /// The pattern, possibly with a guard, of the errors after which a step may run again.
    pub(crate) retry_on: Option<TokenStream>,
    /// What asks what became of an attempt in doubt: a function, or a call of one.
    pub(crate) reconcile: Option<Expr>,
    /// In source order, with the key among them.
    pub(crate) settings: Vec<Setting>,
}

/// Whether an attribute is a marker.
pub(crate) fn is_marker(attribute: &Attribute) -> bool {
    attribute.path().segments.last().is_some_and(|segment| segment.ident == "once")
}

/// Takes the markers away from the other attributes.
pub(crate) fn take(attributes: &mut Vec<Attribute>) -> Vec<Attribute> {
    attributes.extract_if(.., |attribute| is_marker(attribute)).collect()
}

impl Marker {
    /// Reads a marker; what is mistaken is reported and left out.
    pub(crate) fn read(attribute: &Attribute, diagnostics: &mut Diagnostics) -> Self {
        let path = attribute.path().clone();
        let mut reader = Reader::new(path);
        let list = match &attribute.meta {
            Meta::Path(_) => TokenStream::new(),
            Meta::List(list) => list.tokens.clone(),
            Meta::NameValue(value) => {
                diagnostics.on(
                    &value.value,
                    "`#[once]` takes its options in parentheses: write `#[once(at_least)]` or `#[once(at_most)]`",
                );
                return reader.marker;
            }
        };
        let meant = MARKER.read(list, diagnostics, |name, input, diagnostics| reader.option(name, input, diagnostics));
        let misspelt = meant.iter().any(|name| ["at_least", "at_most"].contains(name));
        reader.finish(misspelt, diagnostics)
    }
}

impl Marker {
    /// Takes over what the tool says of retries, unless the marker says it or the step is not retried.
    pub(crate) fn inherit(&mut self, retry: &[Setting]) {
        let says = self.settings.iter().any(|setting| !["key", "timeout_ms", "reconcile"].contains(&setting.method));
        let retries = self.kind == Kind::AtLeast || self.retry_on.is_some() || self.reconcile.is_some();
        if retries && !says && self.infallible.is_none() {
            self.settings.extend_from_slice(retry);
        }
    }
}

struct Reader {
    marker: Marker,
    kind: Option<Kind>,
    retry_at: Option<Span>,
    retry_on_at: Option<Span>,
    reconcile_at: Option<Span>,
    timeout_at: Option<Span>,
}

impl Reader {
    fn new(path: Path) -> Self {
        let at = path.segments.last().map_or_else(Span::call_site, |segment| segment.ident.span());
        let marker = Marker {
            path,
            kind: Kind::AtLeast,
            kind_at: at,
            name: None,
            key: None,
            infallible: None,
            retry_on: None,
            reconcile: None,
            settings: Vec::new(),
        };
        Self { marker, kind: None, retry_at: None, retry_on_at: None, reconcile_at: None, timeout_at: None }
    }

    fn set(&mut self, method: &'static str, argument: TokenStream, at: Span) {
        self.marker.settings.push(Setting { method, argument, at });
    }

    fn option(&mut self, name: &Ident, input: ParseStream<'_>, diagnostics: &mut Diagnostics) -> Result<()> {
        match name.to_string().as_str() {
            "at_least" => self.kind(Kind::AtLeast, name, input)?,
            "at_most" => self.kind(Kind::AtMost, name, input)?,
            "name" => {
                let text = option::text(name, input)?;
                if text.value().is_empty() {
                    return Err(Error::new(text.span(), "a step's name is not empty: write what the step does"));
                }
                self.marker.name = Some(text);
            }
            "key" => {
                let key: Expr = option::value(name, input, "an expression", "item.id")?;
                let extent = Extent::of(&key);
                let grouped = extent.group(Delimiter::Parenthesis, key.to_token_stream());
                self.set("key", quote_spanned!(extent.first()=> &#grouped), name.span());
                self.marker.key = Some(key);
            }
            "infallible" => {
                option::flag(name, input)?;
                self.marker.infallible = Some(name.span());
            }
            "retry" => {
                self.retry_at = Some(name.span());
                let content = parenthesized(name, input, "retry(attempts = 5, initial = \"100ms\")")?;
                self.marker.settings.extend(retry::read(name, content, diagnostics)?);
            }
            "retry_on" => {
                self.retry_on_at = Some(name.span());
                let content = parenthesized(name, input, "retry_on(PaymentError::Network(_))")?;
                self.marker.retry_on = Some(pattern(name, content)?);
            }
            "reconcile" => {
                let asks: Expr = option::value(name, input, "a function, or a call of one", "find_charge")?;
                if let Expr::Await(awaited) = &asks {
                    return Err(Error::new(
                        awaited.await_token.span,
                        "what `reconcile` calls is awaited where it is needed: remove the `.await`",
                    ));
                }
                self.set("reconcile", TokenStream::new(), name.span());
                self.reconcile_at = Some(name.span());
                self.marker.reconcile = Some(asks);
            }
            _ => {
                let (milliseconds, at) = quantity::milliseconds(name, input)?;
                if milliseconds == 0 {
                    return Err(Error::new(at, "no attempt ends in no time: write a longer `timeout`"));
                }
                self.set("timeout_ms", quantity::whole(milliseconds), name.span());
                self.timeout_at = Some(name.span());
            }
        }
        Ok(())
    }

    fn kind(&mut self, kind: Kind, name: &Ident, input: ParseStream<'_>) -> Result<()> {
        if self.kind.is_some() {
            return Err(Error::new(
                name.span(),
                "a step is either `at_least` or `at_most` once: remove one of the two",
            ));
        }
        self.kind = Some(kind);
        self.marker.kind = kind;
        self.marker.kind_at = name.span();
        option::flag(name, input)
    }

    fn finish(mut self, misspelt: bool, diagnostics: &mut Diagnostics) -> Marker {
        if self.kind.is_none() && !misspelt {
            diagnostics.on(
                &self.marker.path,
                "the marker does not say how often the effect may happen: write `#[once(at_least)]` if it may be \
                 repeated after a crash, `#[once(at_most)]` if it must not",
            );
        }
        if let (Some(Kind::AtLeast), Some(at)) = (self.kind, self.retry_on_at) {
            self.marker.retry_on = None;
            diagnostics
                .at(at, "an `at_least` step is retried after every error: remove `retry_on(..)`, or write `at_most`");
        }
        if let (Some(Kind::AtLeast), Some(at)) = (self.kind, self.reconcile_at) {
            self.marker.reconcile = None;
            self.marker.settings.retain(|setting| setting.method != "reconcile");
            diagnostics.at(
                at,
                "an `at_least` step that was cut off runs again, and is never in doubt: remove `reconcile`, or write \
                 `at_most`",
            );
        }
        if let (Some(Kind::AtMost), Some(at), None, None, None) =
            (self.kind, self.retry_at, self.retry_on_at, self.reconcile_at, self.marker.infallible)
        {
            diagnostics.at(
                at,
                "an `at_most` step is retried only after errors that are named: add `retry_on(PATTERN)`, or remove \
                 `retry(..)`",
            );
        }
        if let Some(at) = self.marker.infallible {
            if self.kind == Some(Kind::AtMost) {
                diagnostics.at(
                    at,
                    "an `at_most` step that a crash has cut off ends with an error, so it cannot be `infallible`: \
                     remove `infallible` and let the expression yield a `Result`",
                );
                self.marker.kind = Kind::AtLeast;
            } else if self.timeout_at.is_some() {
                diagnostics.at(
                    at,
                    "an attempt that runs out of time is an error, so a step with `timeout` cannot be `infallible`: \
                     remove one of the two, or let the expression yield a `Result`",
                );
                self.marker.settings.retain(|setting| setting.method != "timeout_ms");
            }
            if let Some(retry_at) = self.retry_at
                && self.kind != Some(Kind::AtMost)
            {
                diagnostics.at(
                    retry_at,
                    "an `infallible` step has no error to be retried after: remove `retry(..)`, or remove \
                     `infallible` and let the expression yield a `Result`",
                );
            }
        }
        self.marker
    }
}

/// Reads `(..)` after an option's name.
pub(crate) fn parenthesized(name: &Ident, input: ParseStream<'_>, example: &str) -> Result<TokenStream> {
    if !input.peek(syn::token::Paren) {
        return Err(Error::new(name.span(), format!("`{name}` takes parentheses: write `{example}`")));
    }
    let content;
    syn::parenthesized!(content in input);
    content.parse()
}

/// Checks that `content` is a pattern, possibly with a guard.
fn pattern(name: &Ident, content: TokenStream) -> Result<TokenStream> {
    let remedy = "`retry_on` takes a pattern of errors: write `retry_on(PaymentError::Network(_))`";
    if content.is_empty() {
        return Err(Error::new(name.span(), remedy));
    }
    let parser = |input: ParseStream<'_>| {
        Pat::parse_multi_with_leading_vert(input)?;
        if input.parse::<Option<Token![if]>>()?.is_some() {
            input.parse::<Expr>()?;
        }
        Ok(())
    };
    match parser.parse2(content.clone()) {
        Ok(()) => Ok(content),
        Err(error) => Err(Error::new(error.span(), remedy)),
    }
}

#[cfg(test)]
mod tests;
