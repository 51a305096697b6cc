//! Reads the signature of a durable function.

use crate::diagnostics::Diagnostics;
use quote::ToTokens;
use syn::{FnArg, Ident, Pat, PatType, Safety, Signature, Type};

/// What a signature says.
pub(super) struct Reading {
    /// The name of the context.
    pub(super) context: Option<Ident>,
    /// Whether the function makes sense to the compiler, so that it can be kept beside the reported mistakes.
    pub(super) whole: bool,
}

/// The parameters that have a name, with their types.
pub(super) fn named_types(signature: &Signature) -> impl Iterator<Item = (String, &Type)> {
    signature.inputs.iter().filter_map(|input| match input {
        FnArg::Typed(PatType { pat, ty, .. }) => match &**pat {
            Pat::Ident(name) => Some((name.ident.to_string(), &**ty)),
            _ => None,
        },
        FnArg::Receiver(_) => None,
    })
}

/// Reads a signature, and reports its mistakes.
pub(super) fn read(signature: &Signature, diagnostics: &mut Diagnostics) -> Reading {
    let mut reader = Reader { context: None, contexts: 0, whole: true, diagnostics };
    reader.qualifiers(signature);
    for input in &signature.inputs {
        if let FnArg::Typed(parameter) = input {
            reader.parameter(parameter);
        }
    }
    if reader.contexts == 0 {
        reader.refuse(
            &signature.ident,
            "a durable function takes its caller's context: add the parameter `cx: &DurableContext`, or remove \
             `#[durable]`",
        );
    }
    Reading { context: reader.context, whole: reader.whole }
}

struct Reader<'a> {
    context: Option<Ident>,
    contexts: usize,
    whole: bool,
    diagnostics: &'a mut Diagnostics,
}

impl Reader<'_> {
    fn refuse(&mut self, place: impl ToTokens, message: &str) {
        self.diagnostics.on(place, message);
        self.whole = false;
    }

    fn qualifiers(&mut self, signature: &Signature) {
        if signature.asyncness.is_none() {
            self.diagnostics.on(signature.fn_token, "a durable function is an async function: write `async fn`");
        }
        if let Some(constness) = &signature.constness {
            self.refuse(constness, "a durable function is not a `const` function: remove `const`");
        }
        if let Safety::Unsafe(_) | Safety::Safe(_) = &signature.safety {
            self.refuse(&signature.safety, "a durable function is safe to call: remove `unsafe`");
        }
        if let Some(abi) = &signature.abi {
            self.refuse(abi, "a durable function is a Rust function: remove `extern`");
        }
        if let Some(variadic) = &signature.variadic {
            self.refuse(variadic, "a durable function has a fixed number of arguments: remove `...`");
        }
    }

    fn parameter(&mut self, parameter: &PatType) {
        let Some(context) = last_word(&parameter.ty) else { return };
        let remedy = match context.as_str() {
            "DurableContext" => None,
            "ReadContext" => Some(
                "a `read_only` tool has no steps, and awaits what it likes: remove `#[durable]`, or take a \
                 `&DurableContext`",
            ),
            "StepContext" => Some(
                "inside a step there are no steps, and a step awaits what it likes: remove `#[durable]`, or take a \
                 `&DurableContext`",
            ),
            _ => return,
        };
        self.contexts += 1;
        if let Some(remedy) = remedy {
            return self.refuse(&parameter.ty, remedy);
        }
        if self.contexts > 1 {
            return self.refuse(&parameter.ty, "a durable function has one context: remove this parameter");
        }
        if !matches!(&*parameter.ty, Type::Reference(reference) if reference.mutability.is_none()) {
            self.refuse(&parameter.ty, "the context is lent to the function: write `&DurableContext`");
        }
        match &*parameter.pat {
            Pat::Ident(name) if name.by_ref.is_none() && name.subpat.is_none() => {
                self.context = Some(name.ident.clone())
            }
            pattern => {
                self.refuse(pattern, "the context needs a name: write `cx`, or `_cx` if the function does not use it")
            }
        }
    }
}

/// The last word of a type, borrowed or not.
fn last_word(ty: &Type) -> Option<String> {
    match ty {
        Type::Reference(reference) => last_word(&reference.elem),
        Type::Group(group) => last_word(&group.elem),
        Type::Paren(paren) => last_word(&paren.elem),
        Type::Path(path) => path.path.segments.last().map(|segment| segment.ident.to_string()),
        _ => None,
    }
}
