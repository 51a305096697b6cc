//! Reads the signature of a tool: its context, its arguments, its result and its documentation.

use super::argument::{self, Argument};
use super::rename::Rename;
use crate::diagnostics::Diagnostics;
use quote::ToTokens as _;
use syn::ext::IdentExt as _;
use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};
use syn::{
    Attribute, Expr, FnArg, GenericArgument, Ident, ItemFn, Lit, Meta, Pat, PatType, PathArguments, ReturnType, Safety,
    Signature, Type,
};

/// Which context a tool takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Context {
    Durable,
    Read,
}

/// One parameter of a tool.
#[derive(Clone)]
pub(crate) enum Parameter {
    Context {
        name: Ident,
        context: Context,
        ty: Box<Type>,
    },
    /// A `State<T>`, with its `T`.
    State(Box<Type>),
    Argument(Box<Argument>),
}

/// The `T` of a `State<T>`.
fn state(ty: &Type) -> Option<&Type> {
    let Type::Path(path) = ty else { return None };
    let last = path.path.segments.last().filter(|last| last.ident == "State")?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    match arguments.args.first() {
        Some(GenericArgument::Type(state)) if arguments.args.len() == 1 => Some(state),
        _ => None,
    }
}

/// The parameters that are arguments.
pub(crate) fn arguments(parameters: &[Parameter]) -> impl Iterator<Item = &Argument> {
    parameters.iter().filter_map(|parameter| match parameter {
        Parameter::Argument(argument) => Some(&**argument),
        Parameter::Context { .. } | Parameter::State(_) => None,
    })
}

/// The signature of a tool.
pub(crate) struct Reading {
    /// In the order of the function.
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) output: Option<Type>,
    /// Whether the function makes sense to the compiler, so that it can be kept beside the reported mistakes.
    pub(crate) whole: bool,
}

impl Reading {
    /// Reads a signature, and takes from its parameters what only the macro understands.
    pub(crate) fn of(signature: &mut Signature, rename_all: Option<Rename>, diagnostics: &mut Diagnostics) -> Self {
        let mut reading = Self { parameters: Vec::new(), output: None, whole: true };
        reading.qualifiers(signature, diagnostics);
        for input in &mut signature.inputs {
            match input {
                FnArg::Receiver(receiver) => reading.refuse(
                    receiver,
                    "a tool with a `self` is a method of an `impl` block under `#[durable_tools]`: write that above the block, or \
                     make the tool a function of its own",
                    diagnostics,
                ),
                FnArg::Typed(parameter) => reading.parameter(parameter, rename_all, diagnostics),
            }
        }
        reading.single_context(signature, diagnostics);
        reading.unique_arguments(diagnostics);
        reading.whole_argument(diagnostics);
        reading.output(signature, diagnostics);
        reading
    }

    /// The name and kind of the context.
    pub(crate) fn context(&self) -> Option<(&Ident, Context, &Type)> {
        self.parameters.iter().find_map(|parameter| match parameter {
            Parameter::Context { name, context, ty } => Some((name, *context, &**ty)),
            Parameter::Argument(_) | Parameter::State(_) => None,
        })
    }

    fn refuse(&mut self, place: impl quote::ToTokens, message: &str, diagnostics: &mut Diagnostics) {
        diagnostics.on(place, message);
        self.whole = false;
    }

    fn qualifiers(&mut self, signature: &Signature, diagnostics: &mut Diagnostics) {
        if signature.asyncness.is_none() {
            diagnostics.on(signature.fn_token, "a tool is an async function: write `async fn`");
        }
        if let Some(constness) = &signature.constness {
            self.refuse(constness, "a tool is not a `const` function: remove `const`", diagnostics);
        }
        if let Safety::Unsafe(_) | Safety::Safe(_) = &signature.safety {
            self.refuse(&signature.safety, "a tool is called by clients, and safe: remove `unsafe`", diagnostics);
        }
        if let Some(abi) = &signature.abi {
            self.refuse(abi, "a tool is a Rust function: remove `extern`", diagnostics);
        }
        if let Some(variadic) = &signature.variadic {
            self.refuse(variadic, "a tool has a fixed number of arguments: remove `...`", diagnostics);
        }
        let message = "a tool is offered to clients with one schema, so it is not generic: write the types out";
        if !signature.generics.params.is_empty() {
            self.refuse(&signature.generics, message, diagnostics);
        } else if let Some(clause) = &signature.generics.where_clause {
            self.refuse(clause, message, diagnostics);
        }
    }

    fn parameter(&mut self, parameter: &mut PatType, rename_all: Option<Rename>, diagnostics: &mut Diagnostics) {
        if let Some(state) = state(&parameter.ty) {
            return self.state(state.clone(), parameter, diagnostics);
        }
        let context = context(&parameter.ty);
        let name = match &*parameter.pat {
            Pat::Ident(name) if name.by_ref.is_none() && name.subpat.is_none() => name.ident.clone(),
            pattern => {
                let message = match context {
                    Some(_) => "the context needs a name: write `cx`, or `_cx` if the tool does not use it",
                    None => "an argument is called by its name: write a name, and take it apart in the body",
                };
                self.refuse(pattern, message, diagnostics);
                return self.parameters.extend(context.map(|context| Parameter::Context {
                    name: Ident::new("cx", parameter.pat.span()),
                    context,
                    ty: parameter.ty.clone(),
                }));
            }
        };
        let Some(context) = context else {
            let before = diagnostics.count();
            let argument = Argument::read(name, parameter, rename_all, diagnostics);
            self.whole &= diagnostics.count() == before || argument::is_owned(&argument.ty);
            self.parameters.push(Parameter::Argument(Box::new(argument)));
            return;
        };
        if !matches!(&*parameter.ty, Type::Reference(reference) if reference.mutability.is_none()) {
            let message = format!("the context is lent to the tool: write `{}`", context.written());
            self.refuse(&parameter.ty, &message, diagnostics);
        }
        self.parameters.push(Parameter::Context { name, context, ty: parameter.ty.clone() });
    }

    fn state(&mut self, state: Type, parameter: &mut PatType, diagnostics: &mut Diagnostics) {
        let is_option = |attribute: &&Attribute| ["arg", "args"].iter().any(|name| attribute.path().is_ident(name));
        if let Some(attribute) = parameter.attrs.iter().find(is_option) {
            let written = if attribute.path().is_ident("args") { "#[args]" } else { "#[arg(..)]" };
            diagnostics.on(attribute, format!("a state is no argument, so clients do not give it: remove `{written}`"));
        }
        // A parameter of a function has no documentation of its own.
        parameter.attrs.retain(|attribute| !["arg", "args", "doc"].iter().any(|name| attribute.path().is_ident(name)));
        self.parameters.push(Parameter::State(Box::new(state)));
    }

    fn single_context(&mut self, signature: &Signature, diagnostics: &mut Diagnostics) {
        let contexts: Vec<Box<Type>> = self
            .parameters
            .iter()
            .filter_map(|parameter| match parameter {
                Parameter::Context { ty, .. } => Some(ty.clone()),
                Parameter::Argument(_) | Parameter::State(_) => None,
            })
            .collect();
        if contexts.is_empty() {
            self.refuse(
                &signature.ident,
                "a tool takes its context: add the parameter `cx: &DurableContext`, or `cx: &ReadContext` if it is \
                 `read_only`",
                diagnostics,
            );
        }
        for other in contexts.iter().skip(1) {
            self.refuse(other, "a tool has one context: remove this parameter", diagnostics);
        }
    }

    fn unique_arguments(&mut self, diagnostics: &mut Diagnostics) {
        let mut names: Vec<String> = Vec::new();
        let mut repeated: Vec<(Ident, String)> = Vec::new();
        for argument in arguments(&self.parameters) {
            let name = argument.public_name.clone();
            if names.contains(&name) {
                repeated.push((argument.name.clone(), name.clone()));
            }
            names.push(name);
        }
        for (place, name) in repeated {
            let message = format!("another argument is called `{name}` already: rename one of the two");
            self.refuse(&place, &message, diagnostics);
        }
    }

    /// Sees to it that a type with all arguments is the only argument.
    fn whole_argument(&mut self, diagnostics: &mut Diagnostics) {
        let Some(whole) = arguments(&self.parameters).find(|argument| argument.whole.is_some()) else { return };
        let message = format!(
            "the fields of `{}` are the arguments of the tool: make this one of them, or remove `#[args]`",
            whole.name.unraw()
        );
        let others: Vec<Ident> = arguments(&self.parameters)
            .filter(|argument| argument.name != whole.name)
            .map(|argument| argument.name.clone())
            .collect();
        for other in others {
            self.refuse(&other, &message, diagnostics);
        }
    }

    fn output(&mut self, signature: &Signature, diagnostics: &mut Diagnostics) {
        let ty = match &signature.output {
            ReturnType::Default => {
                return self.refuse(
                    &signature.ident,
                    "a tool returns a `Result`: write `-> Result<(), ToolError>`, or another type in place of `()`",
                    diagnostics,
                );
            }
            ReturnType::Type(_, ty) => ty,
        };
        if !is_result(ty) {
            let written = ty.to_token_stream().to_string().replace(" :: ", "::").replace(" < ", "<").replace(" >", ">");
            let message = format!(
                "a tool returns a `Result`, and `{written}` is none: write `Result<{written}, ToolError>`, or end the \
                 name of your own alias with `Result`"
            );
            return self.refuse(ty, &message, diagnostics);
        }
        let mut owned = Owned { borrowed: Vec::new() };
        owned.visit_type(ty);
        for (place, message) in owned.borrowed {
            self.refuse(place, message, diagnostics);
        }
        self.output = Some((**ty).clone());
    }
}

impl Context {
    fn written(self) -> &'static str {
        match self {
            Self::Durable => "&DurableContext",
            Self::Read => "&ReadContext",
        }
    }
}

/// Recognises a context by the last word of its type, borrowed or not.
fn context(ty: &Type) -> Option<Context> {
    match ty {
        Type::Reference(reference) => context(&reference.elem),
        Type::Group(group) => context(&group.elem),
        Type::Paren(paren) => context(&paren.elem),
        Type::Path(path) => match path.path.segments.last()?.ident.to_string().as_str() {
            "DurableContext" => Some(Context::Durable),
            "ReadContext" => Some(Context::Read),
            _ => None,
        },
        _ => None,
    }
}

fn is_result(ty: &Type) -> bool {
    match ty {
        Type::Group(group) => is_result(&group.elem),
        Type::Paren(paren) => is_result(&paren.elem),
        Type::Path(path) => {
            path.path.segments.last().is_some_and(|segment| segment.ident.to_string().ends_with("Result"))
        }
        _ => false,
    }
}

/// Finds what has no type of its own in a result.
struct Owned {
    borrowed: Vec<(Type, &'static str)>,
}

impl<'ast> Visit<'ast> for Owned {
    fn visit_type(&mut self, ty: &'ast Type) {
        match ty {
            Type::ImplTrait(_) => {
                self.borrowed.push((ty.clone(), "the result's type needs a name for its schema: write it out"));
            }
            Type::Reference(reference) if reference.lifetime.as_ref().is_none_or(|name| name.ident != "static") => {
                self.borrowed
                    .push((ty.clone(), "a result outlives the call and is owned: write a type such as `String`"));
            }
            _ => visit::visit_type(self, ty),
        }
    }
}

/// The text of the doc comments among the attributes.
pub(crate) fn documentation(function: &ItemFn) -> Option<String> {
    let lines: Vec<String> = function.attrs.iter().filter_map(doc_line).collect();
    let text = lines.join("\n").trim().to_owned();
    (!text.is_empty()).then_some(text)
}

fn doc_line(attribute: &Attribute) -> Option<String> {
    let Meta::NameValue(value) = &attribute.meta else {
        return None;
    };
    let Expr::Lit(literal) = &value.value else { return None };
    let Lit::Str(text) = &literal.lit else { return None };
    if !value.path.is_ident("doc") {
        return None;
    }
    let text = text.value();
    let lines: Vec<&str> = text.lines().map(|line| line.strip_prefix(' ').unwrap_or(line).trim_end()).collect();
    Some(lines.join("\n"))
}
