//! Reads one parameter that becomes an argument of the tool.

use crate::diagnostics::Diagnostics;
use crate::option::{self, Vocabulary};
use proc_macro2::TokenStream;
use quote::ToTokens as _;
use syn::ext::IdentExt as _;
use syn::{Attribute, Expr, Ident, Meta, PatType, Type};

const ARGUMENT: Vocabulary = Vocabulary { owner: "`#[arg(..)]`", names: &["default"] };

/// An argument of a tool.
pub(crate) struct Argument {
    pub(crate) name: Ident,
    pub(crate) ty: Type,
    /// The doc comments, which describe the argument to clients.
    pub(crate) docs: Vec<Attribute>,
    /// What the argument is when it is left out.
    pub(crate) default: Option<Expr>,
}

impl Argument {
    /// Reads a parameter, and takes the attributes from it that only the macro understands.
    pub(crate) fn read(name: Ident, parameter: &mut PatType, diagnostics: &mut Diagnostics) -> Self {
        let docs = parameter.attrs.extract_if(.., |attribute| attribute.path().is_ident("doc")).collect();
        let options: Vec<Attribute> =
            parameter.attrs.extract_if(.., |attribute| attribute.path().is_ident("arg")).collect();
        for conditional in &parameter.attrs {
            if conditional.path().is_ident("cfg") || conditional.path().is_ident("cfg_attr") {
                diagnostics.on(
                    conditional.path(),
                    "the arguments of a tool do not depend on the build: write two tools, each with `#[cfg(..)]`",
                );
            }
        }
        parameter.attrs.retain(|attribute| !attribute.path().is_ident("cfg") && !attribute.path().is_ident("cfg_attr"));
        if !is_owned(&parameter.ty) {
            diagnostics.on(
                &parameter.ty,
                match &*parameter.ty {
                    Type::ImplTrait(_) => "an argument's type needs a name for its schema: write it out",
                    _ => "an argument arrives as JSON and is owned: write a type such as `String` or `Vec<u8>`",
                },
            );
        }
        let mut default = None;
        for (index, attribute) in options.iter().enumerate() {
            if index > 0 {
                diagnostics.on(attribute.path(), "this argument has options already: write them in one `#[arg(..)]`");
            } else {
                default = read_default(attribute, diagnostics);
            }
        }
        Self { name, ty: (*parameter.ty).clone(), docs, default }
    }

    /// The name by which clients give the argument.
    pub(crate) fn public_name(&self) -> String {
        self.name.unraw().to_string()
    }
}

/// Whether values of the type can come out of a message.
pub(crate) fn is_owned(ty: &Type) -> bool {
    match ty {
        Type::Group(group) => is_owned(&group.elem),
        Type::Paren(paren) => is_owned(&paren.elem),
        Type::Reference(_) | Type::ImplTrait(_) | Type::Ptr(_) | Type::FnPtr(_) | Type::TraitObject(_) => false,
        _ => true,
    }
}

fn read_default(attribute: &Attribute, diagnostics: &mut Diagnostics) -> Option<Expr> {
    let list = match &attribute.meta {
        Meta::List(list) => list.tokens.clone(),
        Meta::Path(_) | Meta::NameValue(_) => TokenStream::new(),
    };
    if list.is_empty() {
        diagnostics.on(
            attribute.meta.to_token_stream(),
            "`#[arg(..)]` says nothing: write `#[arg(default = 10)]`, or remove it",
        );
        return None;
    }
    let mut default = None;
    ARGUMENT.read(list, diagnostics, |name, input, _| {
        default = Some(option::value(name, input, "an expression", "10")?);
        Ok(())
    });
    default
}
