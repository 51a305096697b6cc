//! The durations and numbers of a marker.

use crate::option;
use proc_macro2::{Literal, Span, TokenStream};
use quote::ToTokens as _;
use syn::parse::{Parse, ParseStream};
use syn::{Error, Ident, Lit, LitInt, LitStr, Result, Token};

/// Reads `= "100ms"`, as milliseconds.
pub(crate) fn milliseconds(name: &Ident, input: ParseStream<'_>) -> Result<(u64, Span)> {
    let text: LitStr = option::value(name, input, "a duration in a string", "\"30s\"")?;
    let refuse = |message: String| Err(Error::new(text.span(), message));
    let Ok(duration) = humantime::parse_duration(&text.value()) else {
        return refuse(format!(
            "`{}` is not a duration: write a number and a unit, such as \"250ms\", \"30s\" or \"2m\"",
            text.value()
        ));
    };
    let Ok(milliseconds) = u64::try_from(duration.as_millis()) else {
        return refuse(format!("`{}` is too long: write a shorter duration", text.value()));
    };
    if duration.subsec_nanos() % 1_000_000 != 0 {
        return refuse(format!("`{}` is finer than a millisecond: write whole milliseconds", text.value()));
    }
    Ok((milliseconds, text.span()))
}

/// What `attempts = ..` may say.
pub(crate) enum Attempts {
    Counted(u32),
    Unlimited,
}

/// Reads `= 5` or `= unlimited`.
pub(crate) fn attempts(name: &Ident, input: ParseStream<'_>) -> Result<Attempts> {
    struct Value(Option<LitInt>);
    impl Parse for Value {
        fn parse(input: ParseStream<'_>) -> Result<Self> {
            if input.peek(LitInt) {
                return input.parse().map(Some).map(Self);
            }
            let word: Ident = input.parse()?;
            if word == "unlimited" { Ok(Self(None)) } else { Err(Error::new(word.span(), "")) }
        }
    }
    let Value(literal) = option::value(name, input, "a whole number or `unlimited`", "5")?;
    let Some(literal) = literal else {
        return Ok(Attempts::Unlimited);
    };
    match literal.base10_parse() {
        Ok(0) => Err(Error::new(
            literal.span(),
            "a step has at least one attempt: write `attempts = 1` for a step that is not retried",
        )),
        Ok(count) => Ok(Attempts::Counted(count)),
        Err(_) => Err(Error::new(
            literal.span(),
            format!("`{literal}` is not a number of attempts: write one up to 4294967295, or `unlimited`"),
        )),
    }
}

/// Reads `= 2.0`, by which the wait grows after each failure.
pub(crate) fn factor(name: &Ident, input: ParseStream<'_>) -> Result<f64> {
    let (value, at) = number(name, input, "2.0")?;
    if value.is_finite() && value >= 1.0 {
        return Ok(value);
    }
    Err(Error::new(
        at,
        format!("a factor of `{value}` would not lengthen the waits between attempts: write 1.0 or more"),
    ))
}

/// Reads `= 0.1`, the share of each wait that is left to chance.
pub(crate) fn jitter(name: &Ident, input: ParseStream<'_>) -> Result<f64> {
    let (value, at) = number(name, input, "0.1")?;
    if (0.0..=1.0).contains(&value) {
        return Ok(value);
    }
    Err(Error::new(at, format!("a jitter of `{value}` is no share of the wait: write a number from 0.0 to 1.0")))
}

fn number(name: &Ident, input: ParseStream<'_>, example: &str) -> Result<(f64, Span)> {
    struct Number(f64, Span);
    impl Parse for Number {
        fn parse(input: ParseStream<'_>) -> Result<Self> {
            let at = input.span();
            let minus: Option<Token![-]> = input.parse()?;
            let value: f64 = match input.parse()? {
                Lit::Int(literal) => literal.base10_parse()?,
                Lit::Float(literal) => literal.base10_parse()?,
                literal => return Err(Error::new_spanned(literal, "")),
            };
            Ok(Self(if minus.is_some() { -value } else { value }, at))
        }
    }
    let Number(value, at) = option::value(name, input, "a number", example)?;
    Ok((value, at))
}

/// A whole number as an argument.
pub(crate) fn whole(value: u64) -> TokenStream {
    ours(Literal::u64_unsuffixed(value))
}

/// A number as an argument.
pub(crate) fn fraction(value: f64) -> TokenStream {
    ours(Literal::f64_unsuffixed(value))
}

fn ours(mut literal: Literal) -> TokenStream {
    literal.set_span(Span::mixed_site());
    literal.into_token_stream()
}
