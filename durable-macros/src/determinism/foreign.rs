//! Macros in a body that the framework did not write.

use crate::once::is_of_branches;
use crate::origin::Runtime;
use proc_macro2::{TokenStream, TokenTree};
use syn::parse::{ParseStream, Parser as _};
use syn::punctuated::Punctuated;
use syn::{Expr, Macro, Token};

/// Macros that do what their arguments do and nothing else, or write to a log.
#[rustfmt::skip]
const KNOWN: &[&str] = &[
    // core, alloc and std
    "assert", "assert_eq", "assert_matches", "assert_ne", "cfg", "column", "compile_error", "concat", "dbg",
    "debug_assert", "debug_assert_eq", "debug_assert_ne", "env", "eprint", "eprintln", "file", "format", "format_args",
    "include_bytes", "include_str", "line", "matches", "module_path", "option_env", "panic", "pin", "print", "println",
    "stringify", "todo", "unimplemented", "unreachable", "vec", "write", "writeln",
    // serde_json, uuid
    "json", "uuid",
    // tracing, log
    "debug", "debug_span", "error", "error_span", "event", "info", "info_span", "log", "span", "trace", "trace_span",
    "warn", "warn_span",
    // anyhow, eyre
    "anyhow", "bail", "ensure", "eyre", "format_err",
];

/// Macros that await, which are spoken of where awaits are.
const AWAITING: &[&str] = &["join", "try_join", "select", "select_biased", "race"];

/// What is to be done about a macro call.
pub(super) enum Call {
    /// Its arguments are to be checked, as far as they are expressions.
    Known(Vec<Expr>),
    /// It is reported already.
    Refused,
    Unknown(String),
}

pub(super) fn examine(call: &Macro, runtime: &Runtime) -> Call {
    let name = call.path.segments.last().map(|segment| segment.ident.to_string()).unwrap_or_default();
    // The arguments of the framework's own are a part of the body.
    if KNOWN.contains(&name.as_str()) || is_of_branches(runtime, &call.path) {
        return Call::Known(arguments(call.tokens.clone()));
    }
    if AWAITING.contains(&name.as_str()) || waits(call.tokens.clone()) {
        return Call::Refused;
    }
    Call::Unknown(name)
}

/// Whether a wait is hidden among the tokens.
pub(super) fn waits(tokens: TokenStream) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(word) => word == "await" || word == "once",
        TokenTree::Group(group) => waits(group.stream()),
        _ => false,
    })
}

/// The expressions among the tokens of a call.
fn arguments(tokens: TokenStream) -> Vec<Expr> {
    let list = Punctuated::<Expr, Token![,]>::parse_terminated;
    if let Ok(list) = list.parse2(tokens.clone()) {
        return list.into_iter().collect();
    }
    let repeated = |input: ParseStream<'_>| {
        let value: Expr = input.parse()?;
        input.parse::<Token![;]>()?;
        Ok(vec![value, input.parse()?])
    };
    if let Ok(repeated) = repeated.parse2(tokens.clone()) {
        return repeated;
    }
    // Patterns, `key: value`, `field = %value`: what stands between the marks is an expression, or is none.
    let mut found = Vec::new();
    let mut piece = TokenStream::new();
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        let TokenTree::Punct(mark) = &token else {
            piece.extend([token]);
            continue;
        };
        let is_double =
            |next: Option<&TokenTree>| matches!(next, Some(TokenTree::Punct(next)) if next.as_char() == ':');
        match mark.as_char() {
            ':' if is_double(tokens.peek()) => {
                piece.extend([token]);
                piece.extend(tokens.next());
            }
            ',' | ':' => take(&mut piece, &mut found),
            '=' if mark.spacing() == proc_macro2::Spacing::Alone => take(&mut piece, &mut found),
            '%' | '?' if piece.is_empty() => {}
            _ => piece.extend([token]),
        }
    }
    take(&mut piece, &mut found);
    found
}

fn take(piece: &mut TokenStream, found: &mut Vec<Expr>) {
    let piece = std::mem::take(piece);
    let mut tokens = piece.clone().into_iter();
    match (tokens.next(), tokens.next()) {
        // `{ .. }` of JSON, or a block: in both, expressions stand between marks.
        (Some(TokenTree::Group(group)), None) => match syn::parse2(piece) {
            Ok(expression) if !matches!(expression, Expr::Verbatim(_)) => found.push(expression),
            _ => found.extend(arguments(group.stream())),
        },
        (Some(_), _) => found.extend(syn::parse2::<Expr>(piece)),
        (None, _) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::{ToTokens as _, quote};

    fn found(tokens: TokenStream) -> Vec<String> {
        arguments(tokens).iter().map(|expression| expression.to_token_stream().to_string()).collect()
    }

    #[test]
    fn the_expressions_of_a_call_are_found_in_every_form() {
        assert_eq!(found(quote!("{} {b}", a(1), b = c())), ["\"{} {b}\"", "a (1)", "b = c ()"]);
        assert_eq!(found(quote!(a(); 3)), ["a ()", "3"]);
        assert_eq!(found(quote!(a(), Some(_) | None if b)), ["a ()"]);
        assert_eq!(
            found(quote!(target: "t", at = %now(), ?other, "text {}", x::y())),
            ["target", "\"t\"", "at", "now ()", "other", "\"text {}\"", "x :: y ()"]
        );
        assert_eq!(
            found(quote!({ "at": Instant::now(), "list": [1, { "b": c() }] })),
            ["\"at\"", "Instant :: now ()", "\"list\"", "1", "\"b\"", "c ()"]
        );
    }

    #[test]
    fn macros_that_wait_are_left_to_the_rule_of_awaits() {
        let runtime = Runtime::new(Some(syn::parse_quote!(crate::rt)));
        let examine = |call: &str| examine(&syn::parse_str(call).expect("a call"), &runtime);
        assert!(matches!(examine("crate::rt::join!(a, b)"), Call::Known(arguments) if arguments.len() == 2));
        assert!(matches!(examine("tokio::join!(a, b)"), Call::Refused));
        assert!(matches!(examine("mine!({ a.await })"), Call::Refused));
        assert!(matches!(examine("mine!(a)"), Call::Unknown(name) if name == "mine"));
        assert!(matches!(examine("std::vec![a]"), Call::Known(arguments) if arguments.len() == 1));
    }
}
