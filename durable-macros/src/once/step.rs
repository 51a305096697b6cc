//! What a step turns into: a loop that asks the runtime for the recorded outcome or for one more attempt.

use super::attribute;
use super::marker::{Kind, Marker, Setting};
use super::placement::Placement;
use crate::origin::{Extent, Runtime, ours};
use proc_macro2::{Delimiter, TokenStream};
use quote::{ToTokens as _, quote, quote_spanned};
use syn::{Block, Expr, ExprBlock, ExprTry, Ident, Path, Stmt, Token};

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
            brace_token: syn::token::Brace(Extent::of(&expression).last()),
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
    // The user's name with what it means there, shown at the marker.
    let mut context = context.clone();
    context.set_span(context.span().located_at(marker.kind_at));
    let context = &context;
    let kind = match marker.kind {
        Kind::AtLeast => "at_least",
        Kind::AtMost => "at_most",
    };
    let begin = runtime.call(kind, at_marker, quote!(#context, #name));
    let said = |setting: &Setting| {
        let method = Ident::new(setting.method, ours(setting.at));
        let argument = &setting.argument;
        quote_spanned!(ours(setting.at)=> .#method(#argument))
    };
    let (timeout, settings): (Vec<_>, Vec<_>) = marker.settings.iter().partition(|setting| setting.asks_of_error());
    let settings = settings.into_iter().map(said);
    let changes = timeout.is_empty().then(|| Token![mut](span));
    // The compiler blames what a method is called on.
    let timeout = timeout.into_iter().map(|setting| {
        let said = said(setting);
        quote_spanned!(ours(setting.at)=> let mut step = step #said;)
    });
    let (next, outcome_pattern, attempt_pattern) = match &marker.reconcile {
        None => (quote_spanned!(extent.last()=> step.next()), "Next::Outcome", "Next::Attempt"),
        Some(_) => (
            quote_spanned!(extent.last()=> step.next_or_in_doubt()),
            "NextOrInDoubt::Outcome",
            "NextOrInDoubt::Attempt",
        ),
    };
    let outcome_pattern = runtime.item(outcome_pattern, at_marker);
    let attempt_pattern = runtime.item(attempt_pattern, at_marker);
    let reconcile = marker.reconcile.as_ref().map(|asks| reconcile(runtime, context, asks, at_marker));
    let attempt = attempt(runtime, context, marker, extent, expression);
    // These have the bounds that `attempt` has, so at the same place: what is wrong with a type is said once.
    let end = quote_spanned!(extent.last()=> step.end);
    let outcome = Ident::new("outcome", extent.last()).into_token_stream();
    let received = outcome.clone();
    let outcome = if marker.infallible.is_some() { runtime.call("infallible", extent, outcome) } else { outcome };
    let again = match (marker.kind, &marker.retry_on) {
        (Kind::AtLeast, _) => TokenStream::new(),
        (Kind::AtMost, None) => {
            let never = runtime.item("never", at_marker);
            quote_spanned!(span=> , #never)
        }
        (Kind::AtMost, Some(pattern)) => quote_spanned!(span=> , |error| ::core::matches!(error, #pattern)),
    };
    // The attempt comes first, so that the step has the type of its expression, and what contradicts that is at fault.
    let named = named(&marker.path);
    quote_spanned! {span=>
        #named
        let #changes step = #begin #(#settings)*;
        #(#timeout)*
        loop {
            match #next.await {
                #attempt_pattern(attempt) => {
                    let #context = &attempt;
                    let result = #attempt;
                    #end(&attempt, result #again);
                }
                #reconcile
                #outcome_pattern(#received) => break #outcome,
            }
        }
    }
}

/// The arm in which is asked what became of an attempt in doubt.
fn reconcile(runtime: &Runtime, context: &Ident, asks: &Expr, at_marker: Extent) -> TokenStream {
    let extent = Extent::of(asks);
    let call = match asks {
        Expr::Path(function) => quote_spanned!(extent.last()=> #function(#context)),
        call => call.to_token_stream(),
    };
    let pattern = runtime.item("NextOrInDoubt::InDoubt", at_marker);
    let body = extent.group(Delimiter::Brace, quote_spanned!(extent.last()=> #call.await));
    let body = quote_spanned!(extent.first()=> || async #body);
    let attempt = runtime.call("attempt", Extent::at(extent.last()), quote!(#context, #body));
    let reconciled = quote_spanned!(extent.last()=> step.reconciled(&attempt, result));
    quote_spanned! {extent.last()=>
        #pattern(attempt) => {
            let #context = &attempt;
            let result = #attempt.await;
            #reconciled;
        }
    }
}

/// Names the attribute that the author wrote and a macro has taken away: so the compiler sees that its import is used, and an
/// editor where it leads to.
pub(crate) fn named(attribute: &Path) -> TokenStream {
    let span = Extent::of(attribute).last();
    quote_spanned!(span=> #[allow(unused_imports)] use #attribute as _;)
}

/// `attempt(cx, || async { EXPR }).await`.
///
/// The closure is shown over all of the user's expression, for what is said about captured variables. Call and `.await`
/// are at its end, both at one token: what is wrong with the type of the expression is wrong with both, and said once.
fn attempt(runtime: &Runtime, context: &Ident, marker: &Marker, extent: Extent, expression: &Expr) -> TokenStream {
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
    let end = extent.last();
    let attempt = runtime.call("attempt", Extent::at(end), quote!(#context, #body));
    quote_spanned!(end=> #attempt.await)
}

#[cfg(test)]
mod tests {
    use super::super::placement;
    use super::*;
    use crate::diagnostics::Diagnostics;

    fn written(statement: &TokenStream) -> String {
        let Stmt::Local(mut local) = syn::parse2(statement.clone()).expect("a statement") else {
            panic!("a `let`");
        };
        let mut diagnostics = Diagnostics::default();
        let marker = Marker::read(&local.attrs[0], &mut diagnostics);
        let init = local.init.take().expect("an expression");
        let placement =
            placement::examine(&marker.path, &init.expr, &mut diagnostics).expect("an expression that can be a step");
        assert_eq!(diagnostics.messages(), <[String; 0]>::default());
        let runtime = Runtime::new(None);
        let context = Ident::new("cx", proc_macro2::Span::call_site());
        let step = write(&runtime, &context, &marker, &placement, "call", *init.expr);
        step.to_token_stream().to_string()
    }

    #[test]
    fn at_least_once_step_asks_for_an_outcome_until_there_is_one() {
        let written = written(&quote! {
            #[once(at_least, key = item.id, timeout = "30s", retry(attempts = 5, initial = "100ms", factor = 2.0))]
            let value = call(cx, &name).await.map_err(ToolError::from)?;
        });
        let expected = quote! {{
            #[allow(unused_imports)]
            use once as _;
            let step = ::durable_runtime::__private::at_least(cx, "call")
                .key(&(item.id))
                .attempts(5)
                .initial_ms(100)
                .factor(2.0);
            let mut step = step.timeout_ms(30000);
            loop {
                match step.next().await {
                    ::durable_runtime::__private::Next::Attempt(attempt) => {
                        let cx = &attempt;
                        let result = ::durable_runtime::__private::attempt(cx, || async {
                            call(cx, &name).await.map_err(ToolError::from)
                        })
                        .await;
                        step.end(&attempt, result);
                    }
                    ::durable_runtime::__private::Next::Outcome(outcome) => break outcome,
                }
            }
        }?};
        assert_eq!(written, expected.to_string());
    }

    #[test]
    fn at_most_once_step_repeats_after_the_named_errors_only() {
        let never = written(&quote!(#[once(at_most)] let value = call(cx).await;));
        assert!(never.contains(&quote!(::at_most(cx, "call");).to_string()), "{never}");
        assert!(
            never.contains(&quote!(step.end(&attempt, result, ::durable_runtime::__private::never);).to_string()),
            "{never}"
        );
        let named = written(&quote! {
            #[once(at_most, retry_on(Failure::Network(_) | Failure::Busy(n) if *n < limit))]
            let value = call(cx).await;
        });
        let expected = quote! {
            step.end(&attempt, result, |error| {
                ::core::matches!(error, Failure::Network(_) | Failure::Busy(n) if *n < limit)
            });
        };
        assert!(
            named.replace(['{', '}', ' '], "").contains(&expected.to_string().replace(['{', '}', ' '], "")),
            "{named}"
        );
    }

    #[test]
    fn infallible_step_yields_the_plain_value() {
        let written = written(&quote!(#[once(at_least, infallible)] let value = call(cx).await;));
        let attempt = quote! {
            ::durable_runtime::__private::attempt(cx, || async {
                ::durable_runtime::__private::Ok::<_, ::durable_runtime::__private::Never>(call(cx).await)
            })
        };
        assert!(written.contains(&attempt.to_string()), "{written}");
        assert!(
            written.contains(&quote!(break ::durable_runtime::__private::infallible(outcome)).to_string()),
            "{written}"
        );
    }
}
