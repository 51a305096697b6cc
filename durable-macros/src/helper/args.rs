//! Reads what `#[durable(..)]` says.

use crate::diagnostics::Diagnostics;
use crate::once;
use crate::option::{self, Vocabulary};
use proc_macro2::TokenStream;
use quote::ToTokens as _;
use syn::parse::ParseStream;
use syn::{Error, Expr, Ident, LitStr, Path, Result};

const HELPER: Vocabulary = Vocabulary { owner: "`#[durable(..)]`", names: &["name", "key", "crate"] };

/// The options of a durable function.
#[derive(Default)]
pub(crate) struct Options {
    pub(crate) name: Option<LitStr>,
    /// What tells its calls apart.
    pub(crate) key: Option<Expr>,
    /// Where the runtime is found.
    pub(crate) library: Option<Path>,
}

impl Options {
    /// Reads the options; what is mistaken is reported and left out.
    pub(crate) fn read(list: TokenStream, diagnostics: &mut Diagnostics) -> Self {
        let mut options = Self::default();
        HELPER.read(list, diagnostics, |name, input, _| options.option(name, input));
        if let Some(key) = &options.key
            && once::refuse_in_key(key.to_token_stream(), diagnostics)
        {
            options.key = None;
        }
        options
    }

    fn option(&mut self, name: &Ident, input: ParseStream<'_>) -> Result<()> {
        match name.to_string().as_str() {
            "name" => {
                let text = option::text(name, input)?;
                if text.value().is_empty() {
                    return Err(Error::new(text.span(), "a function's name is not empty: write what it does"));
                }
                self.name = Some(text);
            }
            "key" => self.key = Some(option::value(name, input, "an expression", "order.id")?),
            _ => self.library = Some(option::library(name, input)?),
        }
        Ok(())
    }
}
