//! Reads what `#[audit(..)]` says.

use crate::diagnostics::Diagnostics;
use crate::once;
use crate::option::Vocabulary;
use proc_macro2::TokenStream;
use quote::ToTokens as _;
use syn::ext::IdentExt as _;
use syn::parse::{ParseStream, Parser as _};
use syn::spanned::Spanned as _;
use syn::{Attribute, Error, Ident, LitStr, Meta, Result, Token};

const AUDIT: Vocabulary = Vocabulary { owner: "`#[audit(..)]`", names: &["redact"] };

/// A log that each call of a tool leaves an entry in.
pub(crate) struct Audit {
    pub(crate) log: LitStr,
    /// The fields whose values are kept out of it.
    pub(crate) redacted: Vec<String>,
}

/// Whether an attribute names an audit log.
pub(crate) fn is_audit(attribute: &Attribute) -> bool {
    attribute.path().segments.last().is_some_and(|segment| segment.ident == "audit")
}

/// Takes the audit logs of a tool from its other attributes.
pub(crate) fn take(attributes: &mut Vec<Attribute>, diagnostics: &mut Diagnostics) -> Vec<Audit> {
    let mut found: Vec<Attribute> = attributes.extract_if(.., |attribute| is_audit(attribute)).collect();
    // One that stands above `#[durable_tool]` has come behind those below it.
    found.sort_by_key(|attribute| {
        let start =
            attribute.meta.to_token_stream().into_iter().last().map_or_else(|| attribute.span(), |last| last.span());
        (start.start().line, start.start().column)
    });
    let mut audits: Vec<Audit> = Vec::new();
    for attribute in &found {
        let Some(audit) = Audit::read(attribute, diagnostics) else { continue };
        if audits.iter().any(|earlier| earlier.log.value() == audit.log.value()) {
            diagnostics.on(
                &audit.log,
                format!(
                    "`{}` is a log of this tool already: remove one of the two, and write all fields in one `redact(..)`",
                    audit.log.value()
                ),
            );
        } else {
            audits.push(audit);
        }
    }
    audits
}

impl Audit {
    /// Reads an attribute; `None` if it names no log, which is reported.
    fn read(attribute: &Attribute, diagnostics: &mut Diagnostics) -> Option<Self> {
        let list = match &attribute.meta {
            Meta::List(list) => list.tokens.clone(),
            Meta::Path(_) | Meta::NameValue(_) => TokenStream::new(),
        };
        let nameless = || {
            Error::new_spanned(
                attribute.path(),
                "`#[audit]` does not say which log it writes: write `#[audit(\"user_operations\")]`",
            )
        };
        let parser = |input: ParseStream<'_>| {
            let begins_with_option = input.peek(Ident) && input.peek2(syn::token::Paren);
            if input.is_empty() || begins_with_option {
                return Err(nameless());
            }
            let log = log(input)?;
            if !input.is_empty() && input.parse::<Token![,]>().is_err() {
                diagnostics.at(input.span(), "unexpected token after an option: separate options with `,`");
                input.parse::<TokenStream>()?;
            }
            Ok((log, input.parse::<TokenStream>()?))
        };
        let (log, options) = match parser.parse2(list) {
            Ok(read) => read,
            Err(error) => {
                diagnostics.push(error);
                return None;
            }
        };
        let mut redacted = Vec::new();
        AUDIT.read(options, diagnostics, |name, input, diagnostics| {
            redacted = fields(name, input, diagnostics)?;
            Ok(())
        });
        Some(Self { log, redacted })
    }
}

fn log(input: ParseStream<'_>) -> Result<LitStr> {
    let place = input.span();
    let log: LitStr = input
        .parse()
        .map_err(|_| Error::new(place, "an audit log's name is a string: write `#[audit(\"user_operations\")]`"))?;
    let name = log.value();
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '.' | '-');
    if (1..=64).contains(&name.len()) && name.chars().all(allowed) {
        return Ok(log);
    }
    Err(Error::new(
        place,
        format!(
            "`{name}` is not an audit log's name: write 1 to 64 characters out of `A-Z`, `a-z`, `0-9`, `_`, `.` and `-`"
        ),
    ))
}

/// Reads `(password, "card-number")`.
fn fields(name: &Ident, input: ParseStream<'_>, diagnostics: &mut Diagnostics) -> Result<Vec<String>> {
    let content = once::parenthesized(name, input, "redact(password)")?;
    if content.is_empty() {
        return Err(Error::new(name.span(), "`redact()` names no field: write `redact(password)`, or remove it"));
    }
    let parser = |input: ParseStream<'_>| {
        let mut fields: Vec<String> = Vec::new();
        while !input.is_empty() {
            let place = input.span();
            let field = if input.peek(LitStr) {
                input.parse::<LitStr>().map(|text| text.value())
            } else {
                input.call(Ident::parse_any).map(|word| word.unraw().to_string())
            };
            let is_separated = |input: ParseStream<'_>| input.is_empty() || input.parse::<Token![,]>().is_ok();
            let field = field.ok().filter(|field| !field.is_empty() && is_separated(input)).ok_or_else(|| {
                Error::new(place, "a field is named by a word or a string: write `redact(password, \"card-number\")`")
            })?;
            if fields.contains(&field) {
                diagnostics.at(place, format!("`{field}` is redacted already: remove one of the two"));
            } else {
                fields.push(field);
            }
        }
        Ok(fields)
    };
    parser.parse2(content)
}
