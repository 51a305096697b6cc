//! What a tool says of calls that are made again: `idempotency = ".."` and `idempotent`.

use super::args::Options;
use super::argument::Argument;
use super::signature::{self, Reading};
use crate::diagnostics::Diagnostics;
use crate::once;
use syn::ext::IdentExt as _;
use syn::{Block, LitStr, Type};

/// The word for all arguments.
const ALL: &str = "args";
/// The word for all arguments, until an answer has been delivered.
const UNDELIVERED: &str = "undelivered";

/// What the runtime makes the idempotency keys of a tool of.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum KeySource {
    Arguments,
    /// The argument that clients give by this name.
    Argument(String),
    /// All arguments, where the client gives no key, until an answer has been delivered.
    Undelivered,
}

/// Reads what keys are made of, and reports what makes no sense. `body` is the author's, before its steps are written.
pub(crate) fn read(
    options: &Options,
    reading: &Reading,
    read_only: bool,
    body: &Block,
    diagnostics: &mut Diagnostics,
) -> Option<KeySource> {
    if read_only {
        if let Some((name, _)) = &options.idempotency {
            diagnostics.on(
                name,
                "a `read_only` tool may be called any number of times, and has no keys: remove `idempotency`, or \
                 `read_only`",
            );
        }
        if let Some(name) = &options.idempotent {
            diagnostics.on(name, "a `read_only` tool changes nothing at all: remove `idempotent`, or `read_only`");
        }
        return None;
    }
    let is_always_one = options.idempotency.as_ref().is_some_and(|(_, source)| source.value() != UNDELIVERED);
    if let Some(name) = &options.idempotent
        && !is_always_one
        && once::has_at_most_step(body)
    {
        diagnostics.on(
            name,
            "the tool has an `at_most` step, which a second call would make again: write `idempotency = \"args\"` or \
             `idempotency = \"PARAMETER\"`, so that it is the same call, or remove `idempotent`",
        );
    }
    let (_, source) = options.idempotency.as_ref()?;
    let arguments: Vec<&Argument> = signature::arguments(&reading.parameters).collect();
    key_source(source, &arguments, diagnostics)
}

fn key_source(source: &LitStr, arguments: &[&Argument], diagnostics: &mut Diagnostics) -> Option<KeySource> {
    let name = source.value();
    let is_whole = arguments.iter().any(|argument| argument.whole.is_some());
    if name == UNDELIVERED {
        if !is_whole && arguments.iter().any(|argument| argument.name.unraw() == name) {
            diagnostics.on(
                source,
                format!(
                    "`{UNDELIVERED}` stands for calls whose answer was lost, and is the name of an argument: give the \
                     parameter another name"
                ),
            );
            return None;
        }
        return Some(KeySource::Undelivered);
    }
    if arguments.is_empty() {
        diagnostics.on(
            source,
            "the tool has no arguments, so that all its calls would be one: give it one to make keys of, or remove \
             `idempotency`",
        );
        return None;
    }
    if is_whole {
        // The fields of the type are seen when the server is opened.
        return Some(if name == ALL { KeySource::Arguments } else { KeySource::Argument(name) });
    }
    let named = arguments.iter().find(|argument| argument.name.unraw() == name);
    match named {
        None if name == ALL => Some(KeySource::Arguments),
        None => {
            let known: Vec<String> = arguments.iter().map(|argument| format!("`{}`", argument.name.unraw())).collect();
            diagnostics.on(
                source,
                format!(
                    "`{name}` is no argument of the tool: write one of its parameters, {}, or `{ALL}` for all of them",
                    known.join(", ")
                ),
            );
            None
        }
        Some(_) if name == ALL => {
            diagnostics.on(
                source,
                format!("`{ALL}` stands for all arguments, and is the name of one: give the parameter another name"),
            );
            None
        }
        Some(argument) if argument.default.is_some() || is_option(&argument.ty) => {
            diagnostics.on(
                source,
                format!(
                    "`{name}` may be left out, and all calls without it would be one: write a parameter that is always \
                     given, or `idempotency = \"{ALL}\"`"
                ),
            );
            None
        }
        Some(argument) => Some(KeySource::Argument(argument.public_name.clone())),
    }
}

fn is_option(ty: &Type) -> bool {
    match ty {
        Type::Group(group) => is_option(&group.elem),
        Type::Paren(paren) => is_option(&paren.elem),
        Type::Path(path) => path.path.segments.last().is_some_and(|segment| segment.ident == "Option"),
        _ => false,
    }
}
