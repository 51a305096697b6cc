//! What an attribute of ours leaves behind that the compiler itself has met, outside of every body that is rewritten.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Expr, Item};

/// The errors with what they are about. An expression is left out: it has no room beside it.
pub(crate) fn keep(errors: &TokenStream, item: &TokenStream) -> TokenStream {
    let is_expression = syn::parse2::<Item>(item.clone()).is_err()
        && syn::parse2::<Expr>(without_end(item))
            .is_ok_and(|expression| !matches!(expression, Expr::Verbatim(_) | Expr::Let(_)));
    if is_expression {
        return quote!({ #errors });
    }
    quote!(#errors #item)
}

/// The tokens without a `;` at their end.
fn without_end(item: &TokenStream) -> TokenStream {
    let mut tokens: Vec<_> = item.clone().into_iter().collect();
    if tokens.last().is_some_and(|last| last.to_string() == ";") {
        tokens.pop();
    }
    tokens.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_and_a_let_are_kept_and_an_expression_is_not() {
        let errors = quote!(wrong!(););
        let item: TokenStream = quote!(
            fn lonely() {}
        );
        assert_eq!(keep(&errors, &item).to_string(), quote!(#errors #item).to_string());
        let declared = quote!(let a = call().await;);
        assert_eq!(keep(&errors, &declared).to_string(), quote!(#errors #declared).to_string());
        for expression in [quote!(call().await), quote!(call().await?;)] {
            assert_eq!(keep(&errors, &expression).to_string(), quote!({ #errors }).to_string());
        }
    }
}
