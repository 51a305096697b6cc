//! A function whose body is no Rust yet, as it is while somebody types: its signature counts already, and an editor sees the
//! rest as it stands.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use quote::{quote, quote_spanned};
use syn::parse::{ParseStream, Parser as _};
use syn::{Attribute, FnArg, ItemFn, Signature, Visibility, parse_quote};

/// A function with a body that does not parse.
pub(crate) struct Unfinished {
    /// The function, with an empty body.
    pub(crate) function: ItemFn,
    body: Group,
}

impl Unfinished {
    /// Reads the signature. `None` if that does not parse either.
    pub(crate) fn read(item: &TokenStream) -> Option<Self> {
        let parser = |input: ParseStream<'_>| {
            let attrs = input.call(Attribute::parse_outer)?;
            let vis: Visibility = input.parse()?;
            let sig: Signature = input.parse()?;
            let body: Group = input.parse()?;
            Ok((attrs, vis, sig, body))
        };
        let (attrs, vis, sig, body) = parser.parse2(item.clone()).ok()?;
        if body.delimiter() != Delimiter::Brace {
            return None;
        }
        let function: ItemFn = parse_quote!(#(#attrs)* #vis #sig {});
        Some(Self { function, body })
    }

    /// What was typed, without the attributes that only a whole body has.
    pub(crate) fn typed(self) -> TokenStream {
        let mut signature = self.function.sig;
        for input in &mut signature.inputs {
            match input {
                FnArg::Receiver(_) => return TokenStream::new(),
                FnArg::Typed(parameter) => parameter.attrs.clear(),
            }
        }
        let is_ours =
            |attribute: &Attribute| crate::once::is_marker(attribute) || crate::determinism::is_allowing(attribute);
        let body = group_without(self.body, &is_ours);
        let span = proc_macro2::Span::mixed_site();
        quote_spanned! {span=>
            const _: () = {
                #[allow(warnings)]
                #signature #body
            };
        }
    }
}

/// The tokens without some of the attributes in them.
pub(crate) fn without(tokens: TokenStream, unwanted: &dyn Fn(&Attribute) -> bool) -> TokenStream {
    let mut kept: Vec<TokenTree> = Vec::new();
    for token in tokens {
        let TokenTree::Group(group) = token else {
            kept.push(token);
            continue;
        };
        let follows_mark = matches!(kept.last(), Some(TokenTree::Punct(mark)) if mark.as_char() == '#');
        let attributes = Attribute::parse_outer.parse2(quote!(# #group)).ok().filter(|_| follows_mark);
        if attributes.is_some_and(|attributes| attributes.iter().any(unwanted)) {
            kept.pop();
            continue;
        }
        kept.push(group_without(group, unwanted).into());
    }
    kept.into_iter().collect()
}

/// The group as it is if nothing in it is unwanted: the places of its two ends, which are lost otherwise, are those of what
/// the compiler says of it.
fn group_without(group: Group, unwanted: &dyn Fn(&Attribute) -> bool) -> Group {
    let content = without(group.stream(), unwanted);
    if content.to_string() == group.stream().to_string() {
        return group;
    }
    let mut changed = Group::new(group.delimiter(), content);
    changed.set_span(group.span());
    changed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_typed_is_kept_without_what_only_a_whole_body_has() {
        let item = "pub async fn t(cx: &DurableContext, #[arg(default = 1)] n: u32) -> Result<u32, E> {
            #[once(at_least)] #[allow(unused)] let a = call(cx).await?; a.
        }";
        let unfinished = Unfinished::read(&item.parse().expect("tokens")).expect("a signature");
        assert_eq!(unfinished.function.sig.ident, "t");
        let typed = unfinished.typed().to_string().replace(' ', "");
        assert!(typed.contains("asyncfnt(cx:&DurableContext,n:u32)->Result<u32,E>"), "{typed}");
        assert!(typed.contains("{#[allow(unused)]leta=call(cx).await?;a.}"), "{typed}");
        assert!(Unfinished::read(&"async fn t(".parse().unwrap_or_default()).is_none());
    }
}
