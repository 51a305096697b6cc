//! What a step turns into: a loop that asks the runtime for the recorded outcome or for one more attempt.

use super::attribute;
use super::marker::{Kind, Marker};
use super::placement::Placement;
use crate::origin::{Extent, Runtime, ours};
use proc_macro2::{Delimiter, TokenStream};
use quote::{ToTokens as _, quote, quote_spanned};
use syn::{Block, Expr, ExprBlock, ExprTry, Ident, Stmt};

/// Writes the step in place of its expression, which may still have its final `?`.
pub(crate) fn write(
    runtime: &Runtime,
    context: &Ident,
    marker: &Marker,
    placement: &Placement,
    name: &str,
    expression: Expr,
) -> Expr {
    let (attributes, expression) = match expression {
        Expr::Group(group) => return write(runtime, context, marker, placement, name, *group.expr),
        Expr::Try(question) if placement.question.is_some() => (question.attrs, *question.expr),
        mut expression => (attribute::take(&mut expression), expression),
    };
    let mut step = ExprBlock {
        attrs: Vec::new(),
        label: None,
        block: Block {
            brace_token: syn::token::Brace(ours(marker.kind_at)),
            // The syntax tree of a block around our tokens: printing it adds parentheses where a statement needs them.
            stmts: vec![Stmt::Expr(Expr::Verbatim(protocol(runtime, context, marker, name, &expression)), None)],
        },
    };
    if let Some(question_token) = placement.question {
        Expr::Try(ExprTry { attrs: attributes, expr: Box::new(Expr::Block(step)), question_token })
    } else {
        step.attrs = attributes;
        Expr::Block(step)
    }
}

fn protocol(runtime: &Runtime, context: &Ident, marker: &Marker, name: &str, expression: &Expr) -> TokenStream {
    let extent = Extent::of(expression);
    let at_marker = Extent::at(marker.kind_at);
    let span = ours(marker.kind_at);
    let kind = match marker.kind {
        Kind::AtLeast => "at_least",
        Kind::AtMost => "at_most",
    };
    let begin = runtime.call(kind, at_marker, quote!(#context, #name));
    let settings = marker.settings.iter().map(|setting| {
        let method = Ident::new(setting.method, ours(setting.at));
        let argument = &setting.argument;
        quote_spanned!(ours(setting.at)=> .#method(#argument))
    });
    let outcome_pattern = runtime.item("Next::Outcome", at_marker);
    let attempt_pattern = runtime.item("Next::Attempt", at_marker);
    let attempt = attempt(runtime, context, marker, extent, expression);
    let outcome = quote_spanned!(span=> outcome);
    let outcome = if marker.infallible.is_some() {
        runtime.call("infallible", extent, outcome)
    } else {
        outcome
    };
    let again = match (marker.kind, &marker.retry_on) {
        (Kind::AtLeast, _) => TokenStream::new(),
        (Kind::AtMost, None) => {
            let never = runtime.item("never", at_marker);
            quote_spanned!(span=> , #never)
        }
        (Kind::AtMost, Some(pattern)) => quote_spanned!(span=> , |error| ::core::matches!(error, #pattern)),
    };
    quote_spanned! {span=>
        let mut step = #begin #(#settings)*;
        loop {
            match step.next().await {
                #outcome_pattern(outcome) => break #outcome,
                #attempt_pattern(attempt) => {
                    let #context = &attempt;
                    let result = #attempt.await;
                    step.end(&attempt, result #again);
                }
            }
        }
    }
}

/// `attempt(cx, || async { EXPR })`, shown over all of the user's expression.
fn attempt(
    runtime: &Runtime,
    context: &Ident,
    marker: &Marker,
    extent: Extent,
    expression: &Expr,
) -> TokenStream {
    let value = if marker.infallible.is_some() {
        let ok = runtime.item("Ok", Extent::at(marker.kind_at));
        let never = runtime.item("Never", Extent::at(marker.kind_at));
        let value = extent.group(Delimiter::Parenthesis, expression.to_token_stream());
        quote_spanned!(extent.first()=> #ok::<_, #never> #value)
    } else {
        expression.to_token_stream()
    };
    let body = extent.group(Delimiter::Brace, value);
    let body = quote_spanned!(extent.first()=> || async #body);
    runtime.call("attempt", extent, quote!(#context, #body))
}
