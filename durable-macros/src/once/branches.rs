//! Branches that run beside each other: `join!`, `try_join!` and `race!` in a body.

use super::{attribute, marker, placement};
use crate::diagnostics::Diagnostics;
use crate::origin::{Extent, Runtime, ours};
use proc_macro2::{Delimiter, TokenStream};
use quote::{ToTokens as _, format_ident, quote, quote_spanned};
use syn::parse::Parser as _;
use syn::punctuated::Punctuated;
use syn::visit::{self, Visit};
use syn::{Expr, ExprAwait, Ident, Macro, Path, Token};

/// The most branches that one macro takes.
const MOST: usize = 8;

/// How the branches end.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Kind {
    Join,
    TryJoin,
    Race,
}

impl Kind {
    /// Recognises our macros: by the bare name, or under the runtime's.
    pub(super) fn of(runtime: &Runtime, path: &Path) -> Option<Self> {
        let segments: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        let (name, library) = segments.split_last()?;
        if !library.is_empty() && library != ["durable_runtime"] && !runtime.is_at(library) {
            return None;
        }
        match name.as_str() {
            "join" => Some(Self::Join),
            "try_join" => Some(Self::TryJoin),
            "race" => Some(Self::Race),
            _ => None,
        }
    }

    pub(super) fn written(self) -> &'static str {
        match self {
            Self::Join => "join!",
            Self::TryJoin => "try_join!",
            Self::Race => "race!",
        }
    }

    /// What is said of another library's macro of the name.
    pub(super) fn of_others(self) -> String {
        let written = self.written();
        format!(
            "this `{written}` is not the one of `durable_runtime`, and would await where the framework cannot see it: write \
             `durable_runtime::{written}`, or remove the `use` of the other one"
        )
    }
}

/// Whether a path names one of our macros.
pub(crate) fn is_of_branches(runtime: &Runtime, path: &Path) -> bool {
    Kind::of(runtime, path).is_some()
}

/// A branch, with its expression rewritten.
pub(super) struct Branch {
    pub(super) label: String,
    pub(super) expression: Expr,
}

/// The expressions of the branches. `None` if they are none; the reasons are reported.
pub(super) fn read(kind: Kind, call: &Macro, context: &Ident, diagnostics: &mut Diagnostics) -> Option<Vec<Expr>> {
    let written = kind.written();
    let branches = match Punctuated::<Expr, Token![,]>::parse_terminated.parse2(call.tokens.clone()) {
        Ok(branches) => branches,
        Err(error) => {
            diagnostics.at(
                error.span(),
                format!("`{written}` takes branches between commas: write `{written}(async {{ .. }}, helper(cx))`"),
            );
            return None;
        }
    };
    if branches.is_empty() || branches.len() > MOST {
        let remedy = if branches.is_empty() { "write one" } else { "put some into a branch of their own" };
        diagnostics.on(&call.path, format!("`{written}` takes 1 to {MOST} branches: {remedy}"));
        return None;
    }
    let mut sound = true;
    for branch in &branches {
        let is_block = matches!(placement::ungrouped(branch), Expr::Async(_));
        if let Some(marker) = attribute::seen(branch).iter().find(|attribute| marker::is_marker(attribute) && !is_block)
        {
            diagnostics.on(
                marker.path(),
                "a branch with a step is an `async` block: write `async { #[once(..)] call(cx).await }`",
            );
            sound = false;
            continue;
        }
        if let Expr::Path(path) = placement::ungrouped(branch)
            && path.path.is_ident(context)
        {
            diagnostics.on(
                path,
                format!(
                    "`{written}` takes branches and no context, which each branch has by itself: remove `{context}`, as in \
                     `{written}(helper({context}), async {{ .. }})`"
                ),
            );
            sound = false;
        }
        if let Expr::Await(awaited) = placement::without_question(branch) {
            diagnostics.on(
                awaited.await_token,
                format!(
                    "`{written}` awaits its branches, and what is awaited before is none: remove `.await`, or put the \
                     whole into `async {{ .. }}`"
                ),
            );
            sound = false;
        }
    }
    sound.then(|| branches.into_iter().collect())
}

/// The name of the first function that a branch calls and awaits, or whose future it is.
pub(super) fn callee(branch: &Expr) -> Option<String> {
    struct First(Option<Ident>);
    impl<'ast> Visit<'ast> for First {
        fn visit_expr_await(&mut self, inner: &'ast ExprAwait) {
            visit::visit_expr_await(self, inner);
            self.0 = self.0.take().or_else(|| placement::callee(&inner.base));
        }
    }
    if let Expr::Async(block) = placement::ungrouped(branch) {
        let mut first = First(None);
        first.visit_block(&block.block);
        return first.0.map(|callee| callee.to_string());
    }
    placement::callee(branch).map(|callee| callee.to_string())
}

/// A label that no other branch of the function has. What joins labels stays out of them.
pub(super) fn unique(label: Option<String>, taken: &mut Vec<String>) -> String {
    let base =
        label.filter(|label| !label.is_empty()).map_or_else(|| "branch".to_owned(), |label| label.replace('|', "_"));
    let numbered = (2..).map(|number| format!("{base}{number}"));
    let label = std::iter::once(base.clone()).chain(numbered).find(|label| !taken.contains(label)).unwrap_or(base);
    taken.push(label.clone());
    label
}

/// Writes the branches and what awaits them.
pub(super) fn write(runtime: &Runtime, context: &Ident, kind: Kind, path: &Path, branches: &[Branch]) -> TokenStream {
    let at_path = Extent::of(path);
    let span = at_path.last();
    // The user's name with what it means there, shown at the macro.
    let mut context = context.clone();
    context.set_span(context.span().located_at(span));
    let context = &context;
    let contexts: Vec<Ident> =
        (0..branches.len()).map(|number| format_ident!("branch_{number}", span = span)).collect();
    let started: Vec<Ident> = branches
        .iter()
        .enumerate()
        .map(|(number, branch)| {
            let span = ours(Extent::of(&branch.expression).first());
            format_ident!("started_{number}", span = span)
        })
        .collect();
    let begun = branches.iter().zip(&contexts).map(|(Branch { label, .. }, branch)| {
        let begin = runtime.call("branch", at_path, quote!(#context, #label));
        quote_spanned!(span=> let #branch = #begin;)
    });
    let label = branches.iter().map(|branch| branch.label.as_str()).collect::<Vec<_>>().join("|");
    let ended = match kind {
        Kind::Join => runtime.call("Join::join", at_path, quote_spanned!(span=> (#(#started,)*))),
        Kind::TryJoin => {
            runtime.call("TryJoin::try_join", at_path, quote_spanned!(span=> (#(#started,)*), body, #label))
        }
        Kind::Race => runtime.call("Race::race", at_path, quote_spanned!(span=> [#(#started),*], body, #label)),
    };
    let body = (kind != Kind::Join).then(|| quote_spanned!(span=> let body = #context;));
    let mut awaited = quote_spanned!(span=> #ended.await);
    // `match` keeps what a branch borrows of its own expression until all of them have ended.
    for ((branch, started), own) in branches.iter().zip(&started).zip(&contexts).rev() {
        let extent = Extent::of(&branch.expression);
        let tokens = branch.expression.to_token_stream();
        let future = match placement::ungrouped(&branch.expression) {
            Expr::Async(_) => tokens,
            _ => runtime.call("durable", extent, tokens),
        };
        let start = runtime.call("start", extent, quote!(#context, #future));
        let inner = extent.group(Delimiter::Brace, quote_spanned!(span=> #started => #awaited));
        awaited = quote_spanned!(span=> match &#own { #context => match #start #inner });
    }
    let not_ours = kind.of_others();
    quote_spanned! {span=>
        // The macro of this name drops the message if it is ours.
        #path! { { ::core::compile_error!(#not_ours) } }
        #body
        #(#begun)*
        #awaited
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_numbered_only_when_they_are_taken() {
        let mut taken = Vec::new();
        let mut label = |text: &str| unique((!text.is_empty()).then(|| text.to_owned()), &mut taken);
        assert_eq!(label("pay"), "pay");
        assert_eq!(label("a|b"), "a_b");
        assert_eq!(label("pay"), "pay2");
        assert_eq!(label("pay"), "pay3");
        assert_eq!(label(""), "branch");
        assert_eq!(label(""), "branch2");
    }

    #[test]
    fn our_macros_are_known_by_bare_name_and_under_the_runtime() {
        let runtime = Runtime::new(Some(syn::parse_quote!(crate::rt)));
        let known = |path: Path| Kind::of(&runtime, &path).is_some();
        assert!(known(syn::parse_quote!(join)));
        assert!(known(syn::parse_quote!(::durable_runtime::try_join)));
        assert!(known(syn::parse_quote!(crate::rt::race)));
        assert!(!known(syn::parse_quote!(tokio::join)));
        assert!(!known(syn::parse_quote!(futures::future::try_join)));
        assert!(!known(syn::parse_quote!(select)));
    }
}
