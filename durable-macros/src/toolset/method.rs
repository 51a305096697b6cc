//! One method that is a tool.

use crate::diagnostics::Diagnostics;
use crate::tool;
use proc_macro2::TokenStream;
use syn::visit_mut::{self, VisitMut};
use syn::{Attribute, FnArg, ImplItemFn, ItemFn, Meta, Path, Receiver, ReceiverKind, Type, TypePath};

/// What becomes of a method.
pub(super) struct Method {
    /// What stands in the impl block.
    pub(super) item: TokenStream,
    /// What makes a tool of it; nothing if it has mistakes.
    pub(super) registration: TokenStream,
}

impl Method {
    pub(super) fn read(
        attribute: &Attribute,
        method: ImplItemFn,
        owner: &Type,
        library: Option<&Path>,
        diagnostics: &mut Diagnostics,
    ) -> Self {
        let options = match &attribute.meta {
            Meta::List(list) => list.tokens.clone(),
            Meta::Path(_) | Meta::NameValue(_) => TokenStream::new(),
        };
        let mut function = ItemFn {
            attrs: method.attrs,
            vis: method.vis,
            modifiers: method.modifiers,
            sig: method.sig,
            block: Box::new(method.block),
        };
        let before = diagnostics.count();
        let receiver = receiver(&mut function, diagnostics);
        let is_sound = diagnostics.count() == before;
        let (item, registration) =
            tool::expand_method(options, function, receiver, owner, library, is_sound, diagnostics);
        Self { item, registration }
    }
}

/// Takes the `self` of a method out of its parameters.
fn receiver(function: &mut ItemFn, diagnostics: &mut Diagnostics) -> Option<Receiver> {
    let Some(FnArg::Receiver(_)) = function.sig.inputs.first() else { return None };
    let mut inputs = std::mem::take(&mut function.sig.inputs).into_iter();
    let first = inputs.next();
    function.sig.inputs = inputs.collect();
    let Some(FnArg::Receiver(receiver)) = first else { return None };
    let is_shared = matches!(receiver.kind, ReceiverKind::Reference(_, _, None));
    if !is_shared {
        diagnostics.on(
            &receiver,
            "all calls of the tools share one value, so a tool borrows it: write `&self`, and a lock or a table for what \
             changes",
        );
    }
    Some(receiver)
}

/// Writes the type of the impl block in place of `Self`, for a place outside of the block.
pub(crate) struct Outside<'a>(pub(crate) &'a Type);

impl VisitMut for Outside<'_> {
    fn visit_type_mut(&mut self, ty: &mut Type) {
        match ty {
            Type::Path(TypePath { qself: None, path, .. }) if path.is_ident("Self") => *ty = self.0.clone(),
            other => visit_mut::visit_type_mut(self, other),
        }
    }
}
