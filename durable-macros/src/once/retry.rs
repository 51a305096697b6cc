//! Reads `retry(..)` in a marker.

use super::marker::Setting;
use super::quantity::{self, Attempts};
use crate::diagnostics::Diagnostics;
use crate::option::{self, Vocabulary};
use proc_macro2::{Span, TokenStream};
use syn::parse::ParseStream;
use syn::{Error, Ident, Result};

const RETRY: Vocabulary =
    Vocabulary { owner: "`retry(..)`", names: &["attempts", "unlimited", "initial", "factor", "max", "jitter"] };

/// Reads what stands between the parentheses; what is mistaken is reported and left out.
pub(crate) fn read(name: &Ident, list: TokenStream, diagnostics: &mut Diagnostics) -> Result<Vec<Setting>> {
    if list.is_empty() {
        return Err(Error::new(
            name.span(),
            "`retry()` says nothing: write `retry(attempts = 5, initial = \"100ms\")`, or remove it",
        ));
    }
    let mut retry = Retry::default();
    RETRY.read(list, diagnostics, |name, input, _| retry.option(name, input));
    if let (Some(initial), Some((max, at))) = (retry.initial, retry.max)
        && max < initial
    {
        diagnostics.at(at, "`max` is shorter than `initial`: write a longer `max`, or a shorter `initial`");
    }
    Ok(retry.settings)
}

#[derive(Default)]
struct Retry {
    settings: Vec<Setting>,
    initial: Option<u64>,
    max: Option<(u64, Span)>,
    /// The word that has said the number of attempts.
    attempts: Option<String>,
}

impl Retry {
    fn option(&mut self, name: &Ident, input: ParseStream<'_>) -> Result<()> {
        let (method, argument) = match name.to_string().as_str() {
            "attempts" => {
                let attempts = quantity::attempts(name, input)?;
                self.say_attempts(name)?;
                match attempts {
                    Attempts::Counted(count) => ("attempts", quantity::whole(count.into())),
                    Attempts::Unlimited => ("unlimited", TokenStream::new()),
                }
            }
            "unlimited" => {
                option::flag(name, input)?;
                self.say_attempts(name)?;
                ("unlimited", TokenStream::new())
            }
            "initial" => {
                let (milliseconds, _) = quantity::milliseconds(name, input)?;
                self.initial = Some(milliseconds);
                ("initial_ms", quantity::whole(milliseconds))
            }
            "factor" => ("factor", quantity::fraction(quantity::factor(name, input)?)),
            "max" => {
                let max = quantity::milliseconds(name, input)?;
                self.max = Some(max);
                ("max_ms", quantity::whole(max.0))
            }
            _ => ("jitter", quantity::fraction(quantity::jitter(name, input)?)),
        };
        self.settings.push(Setting { method, argument, at: name.span() });
        Ok(())
    }

    fn say_attempts(&mut self, name: &Ident) -> Result<()> {
        match self.attempts.replace(name.to_string()) {
            None => Ok(()),
            Some(other) => {
                Err(Error::new(name.span(), format!("`{name}` contradicts `{other}`: remove one of the two")))
            }
        }
    }
}
