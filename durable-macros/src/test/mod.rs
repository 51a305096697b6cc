//! What `#[durable_test]` makes of an async function: a test that runs it, and runs it again with crashes.

use crate::diagnostics::Diagnostics;
use crate::option::{self, Vocabulary};
use crate::origin::Runtime;
use proc_macro2::TokenStream;
use quote::{ToTokens as _, quote};
use syn::ext::IdentExt as _;
use syn::parse::{ParseStream, Parser as _};
use syn::punctuated::Punctuated;
use syn::{Error, Ident, ItemFn, LitStr, Path, Result, Token, parenthesized};

const TEST: Vocabulary = Vocabulary { owner: "`#[durable_test(..)]`", names: &["crash", "in_doubt", "crate"] };

/// The options of a test.
#[derive(Default)]
struct Options {
    crash: bool,
    /// Names of the steps that may be in doubt.
    in_doubt: Vec<LitStr>,
    /// Where the runtime is found.
    library: Option<Path>,
}

impl Options {
    /// Reads the options; what is mistaken is reported and left out.
    fn read(list: TokenStream, diagnostics: &mut Diagnostics) -> Self {
        let mut options = Self::default();
        let mut in_doubt = None;
        TEST.read(list, diagnostics, |name, input, _| {
            if name == "in_doubt" {
                in_doubt = Some(name.clone());
            }
            options.option(name, input)
        });
        if let Some(name) = in_doubt
            && !options.crash
        {
            diagnostics
                .on(name, "without a crash no step is in doubt: write `crash = every_point` too, or remove this");
        }
        options
    }

    fn option(&mut self, name: &Ident, input: ParseStream<'_>) -> Result<()> {
        match name.to_string().as_str() {
            "crash" => {
                // Whatever is said of it, a crash is meant.
                self.crash = true;
                let when: Ident = option::value(name, input, "the name of crash points", "every_point")?;
                if when != "every_point" {
                    return Err(Error::new(when.span(), "`crash` takes `every_point`: write `crash = every_point`"));
                }
            }
            "in_doubt" => self.in_doubt = steps(name, input)?,
            _ => self.library = Some(option::library(name, input)?),
        }
        Ok(())
    }
}

/// Reads `(charge, "the name of a step")`.
fn steps(name: &Ident, input: ParseStream<'_>) -> Result<Vec<LitStr>> {
    let remedy = "`in_doubt` takes names of steps: write `in_doubt(charge)`";
    if !input.peek(syn::token::Paren) {
        return Err(Error::new(name.span(), remedy));
    }
    let list;
    parenthesized!(list in input);
    // Taken whole: syn has a second message of its own for what is left of a list.
    let list: TokenStream = list.parse()?;
    let names = |input: ParseStream<'_>| Punctuated::<LitStr, Token![,]>::parse_terminated_with(input, step);
    let steps = names.parse2(list)?;
    if steps.is_empty() {
        return Err(Error::new(name.span(), remedy));
    }
    Ok(steps.into_iter().collect())
}

fn step(input: ParseStream<'_>) -> Result<LitStr> {
    if input.peek(LitStr) {
        return input.parse();
    }
    let name = input
        .call(Ident::parse_any)
        .map_err(|error| Error::new(error.span(), "a step is named as a function or as a text is written"))?;
    Ok(LitStr::new(&name.unraw().to_string(), name.span()))
}

/// Expands `#[durable_test(..)]` on an item.
pub(crate) fn expand(options: TokenStream, item: &TokenStream) -> TokenStream {
    let mut diagnostics = Diagnostics::default();
    let options = Options::read(options, &mut diagnostics);
    let Ok(mut function) = syn::parse2::<ItemFn>(item.clone()) else {
        diagnostics.on(item, "a durable test is an async function: move `#[durable_test]` onto one, or remove it");
        let errors = diagnostics.into_compile_errors();
        return quote!(#errors #item);
    };
    check(&function, &mut diagnostics);
    let is_whole = diagnostics.count() == 0;
    let errors = diagnostics.into_compile_errors();
    if !is_whole {
        return quote!(#errors #function);
    }
    let runtime = Runtime::new(options.library);
    let testing = runtime.testing();
    let attributes = std::mem::take(&mut function.attrs);
    let (visibility, name) =
        (std::mem::replace(&mut function.vis, syn::Visibility::Inherited), function.sig.ident.clone());
    let crash = options.crash.then(|| quote!(.crash_at_every_point()));
    let in_doubt = &options.in_doubt;
    quote! {
        #(#attributes)*
        #[cfg_attr(test, ::core::prelude::v1::test)]
        #[cfg_attr(not(test), allow(dead_code))]
        #visibility fn #name() {
            #function
            #testing::DurableTest::new()#crash #(.in_doubt(#in_doubt))*.run(#name)
        }
    }
}

/// Reports what is not as a test's function is.
fn check(function: &ItemFn, diagnostics: &mut Diagnostics) {
    let signature = &function.sig;
    if signature.asyncness.is_none() {
        diagnostics.on(signature.fn_token, "a durable test awaits its calls: write `async fn`");
    }
    if signature.inputs.len() != 1 {
        let at = if signature.inputs.is_empty() {
            signature.ident.to_token_stream()
        } else {
            signature.inputs.to_token_stream()
        };
        diagnostics.on(at, "a durable test takes the run that it is, and nothing else: write `(run: TestRun)`");
    }
    if !signature.generics.params.is_empty() {
        diagnostics.on(&signature.generics, "a test is no generic function: remove the parameters");
    }
    for attribute in &function.attrs {
        let is_test = attribute.path().segments.last().is_some_and(|segment| segment.ident == "test");
        if is_test {
            diagnostics.on(attribute.path(), "`#[durable_test]` makes a test by itself: remove this");
        }
    }
}

#[cfg(test)]
mod tests;
