//! Reads one parameter that becomes an argument of the tool.

use super::args::is_valid_name;
use super::rename::Rename;
use crate::diagnostics::Diagnostics;
use crate::option::{self, Vocabulary};
use proc_macro2::TokenStream;
use quote::ToTokens as _;
use syn::ext::IdentExt as _;
use syn::{Attribute, Expr, Ident, LitStr, Meta, PatType, Path, Type};

const ARGUMENT: Vocabulary = Vocabulary { owner: "`#[arg(..)]`", names: &["default", "rename", "header", "complete"] };

/// An argument of a tool.
#[derive(Clone)]
pub(crate) struct Argument {
    pub(crate) name: Ident,
    pub(crate) ty: Type,
    /// The doc comments, which describe the argument to clients.
    pub(crate) docs: Vec<Attribute>,
    /// What the argument is when it is left out.
    pub(crate) default: Option<Expr>,
    /// The name by which clients give the argument.
    pub(crate) public_name: String,
    /// The HTTP header that clients repeat the argument in, after `Mcp-Param-`.
    pub(crate) header: Option<LitStr>,
    /// The function that completes the argument.
    pub(crate) complete: Option<Path>,
    /// The `args` of `#[args]`: the argument's type has the arguments of the tool as its fields.
    pub(crate) whole: Option<Path>,
}

impl Argument {
    /// Reads a parameter, and takes the attributes from it that only the macro understands.
    pub(crate) fn read(
        name: Ident,
        parameter: &mut PatType,
        rename_all: Option<Rename>,
        diagnostics: &mut Diagnostics,
    ) -> Self {
        let docs: Vec<Attribute> =
            parameter.attrs.extract_if(.., |attribute| attribute.path().is_ident("doc")).collect();
        let options: Vec<Attribute> =
            parameter.attrs.extract_if(.., |attribute| attribute.path().is_ident("arg")).collect();
        let whole: Vec<Attribute> =
            parameter.attrs.extract_if(.., |attribute| attribute.path().is_ident("args")).collect();
        for conditional in &parameter.attrs {
            if conditional.path().is_ident("cfg") || conditional.path().is_ident("cfg_attr") {
                diagnostics.on(
                    conditional.path(),
                    "the arguments of a tool do not depend on the build: write two tools, each with `#[cfg(..)]`",
                );
            }
        }
        parameter.attrs.retain(|attribute| !attribute.path().is_ident("cfg") && !attribute.path().is_ident("cfg_attr"));
        for foreign in parameter.attrs.extract_if(.., |attribute| is_of_derives(attribute)) {
            let name = foreign.path().to_token_stream();
            diagnostics.on(
                foreign.path(),
                format!(
                    "`#[{name}(..)]` means nothing on a parameter: write `#[arg(default = ..)]` or `#[arg(rename = \"..\")]`, \
                     or take a type of your own under `#[args]`"
                ),
            );
        }
        if !is_owned(&parameter.ty) {
            diagnostics.on(
                &parameter.ty,
                match &*parameter.ty {
                    Type::ImplTrait(_) => "an argument's type needs a name for its schema: write it out",
                    _ => "an argument arrives as JSON and is owned: write a type such as `String` or `Vec<u8>`",
                },
            );
        }
        for (index, attribute) in whole.iter().enumerate() {
            if index > 0 || !matches!(attribute.meta, Meta::Path(_)) {
                diagnostics.on(&attribute.meta, "`#[args]` is said once and takes no options: write `#[args]`");
            }
        }
        let whole = whole.first().map(|attribute| attribute.path().clone());
        if let (Some(_), Some(attribute)) = (&whole, options.first()) {
            diagnostics.on(
                attribute.path(),
                "the fields of the type are the arguments: write serde's attributes there, and remove `#[arg(..)]`",
            );
        }
        if let (Some(_), Some(line)) = (&whole, docs.first()) {
            diagnostics.on(
                line,
                "the fields of the type are the arguments, and clients see the docs of those: document the type and its \
                 fields, or write a plain comment, `//`",
            );
        }
        let mut written = Written::default();
        for (index, attribute) in options.iter().enumerate() {
            if index > 0 {
                diagnostics.on(attribute.path(), "this argument has options already: write them in one `#[arg(..)]`");
            } else {
                written = Written::read(attribute, diagnostics);
            }
        }
        let made = || rename_all.map_or_else(|| name.unraw().to_string(), |rule| rule.apply(&name.unraw().to_string()));
        let public_name = written.rename.as_ref().map_or_else(made, LitStr::value);
        if whole.is_none() && !is_valid_name(&public_name) {
            let span = written.rename.as_ref().map_or(name.span(), LitStr::span);
            diagnostics.at(
                span,
                format!(
                    "`{public_name}` is not an argument's name: write `#[arg(rename = \"..\")]` with 1 to 128 \
                     characters out of `A-Z`, `a-z`, `0-9`, `_`, `.` and `-`"
                ),
            );
        }
        Self {
            name,
            ty: (*parameter.ty).clone(),
            docs,
            default: written.default,
            public_name,
            header: written.header,
            complete: written.complete,
            whole,
        }
    }
}

/// A token of RFC 9110, as the name of a header is.
fn header(name: LitStr) -> syn::Result<LitStr> {
    let is_token = |letter: char| letter.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(letter);
    let text = name.value();
    if !text.is_empty() && text.chars().all(is_token) {
        return Ok(name);
    }
    Err(syn::Error::new(
        name.span(),
        format!("`{text}` is no name of a header: write letters, digits and `-`, as in `#[arg(header = \"Region\")]`"),
    ))
}

/// Whether an attribute belongs to the macros that derive how a type is read.
fn is_of_derives(attribute: &Attribute) -> bool {
    ["serde", "schemars", "validate", "garde"].iter().any(|name| attribute.path().is_ident(name))
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

/// What `#[arg(..)]` says.
#[derive(Default)]
struct Written {
    default: Option<Expr>,
    rename: Option<LitStr>,
    header: Option<LitStr>,
    complete: Option<Path>,
}

impl Written {
    fn read(attribute: &Attribute, diagnostics: &mut Diagnostics) -> Self {
        let list = match &attribute.meta {
            Meta::List(list) => list.tokens.clone(),
            Meta::Path(_) | Meta::NameValue(_) => TokenStream::new(),
        };
        let mut written = Self::default();
        if list.is_empty() {
            diagnostics.on(
                attribute.meta.to_token_stream(),
                "`#[arg(..)]` says nothing: write `#[arg(default = 10)]`, or remove it",
            );
            return written;
        }
        ARGUMENT.read(list, diagnostics, |name, input, _| {
            if name == "rename" {
                written.rename = Some(option::text(name, input)?);
            } else if name == "complete" {
                written.complete = Some(option::value(name, input, "the path of a function", "languages")?);
            } else if name == "header" {
                written.header = Some(header(option::text(name, input)?)?);
            } else {
                written.default = Some(option::value(name, input, "an expression", "10")?);
            }
            Ok(())
        });
        written
    }
}
