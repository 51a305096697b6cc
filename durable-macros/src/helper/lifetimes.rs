//! Makes the parameters of a function outlive the future that it returns: every elided lifetime gets a name, and
//! everything generic a bound.

use proc_macro2::Span;
use syn::punctuated::Punctuated;
use syn::visit_mut::{self, VisitMut};
use syn::{
    FnArg, GenericParam, Lifetime, LifetimeParam, ParenthesizedGenericArguments, ReceiverKind, ReturnType, Signature,
    Token, Type, TypeFnPtr, TypeImplTrait, TypeReference, parse_quote,
};

/// The lifetime of the future that a call returns.
pub(super) fn of_the_future() -> Lifetime {
    Lifetime::new("'durable", Span::mixed_site())
}

/// Names the lifetimes of a signature, and adds the bounds under which its parameters can be kept in the future.
pub(super) fn name(signature: &mut Signature) {
    let mut naming = Naming { added: Vec::new(), seen: Vec::new() };
    let mut of_self = None;
    let mut self_by_value = false;
    for input in &mut signature.inputs {
        let FnArg::Receiver(receiver) = input else {
            naming.visit_fn_arg_mut(input);
            continue;
        };
        match &mut receiver.kind {
            ReceiverKind::Reference(_, lifetime, _) => {
                let lifetime = lifetime.get_or_insert_with(|| naming.add());
                of_self = Some(lifetime.clone());
            }
            ReceiverKind::Typed(_, ty) => {
                naming.visit_type_mut(ty);
                if let Type::Reference(reference) = &**ty {
                    of_self.clone_from(&reference.lifetime);
                } else {
                    self_by_value = true;
                }
            }
            _ => self_by_value = true,
        }
    }
    let elided = of_self.or_else(|| match &naming.seen[..] {
        [only] => Some(only.clone()),
        _ => None,
    });
    if let (ReturnType::Type(_, ty), Some(lifetime)) = (&mut signature.output, elided) {
        Filling { lifetime }.visit_type_mut(ty);
    }
    bound(signature, naming.added, self_by_value);
}

fn bound(signature: &mut Signature, added: Vec<Lifetime>, self_by_value: bool) {
    let future = of_the_future();
    let generics = &mut signature.generics;
    for parameter in &mut generics.params {
        match parameter {
            GenericParam::Lifetime(parameter) => {
                parameter.colon_token.get_or_insert_default();
                parameter.bounds.push(future.clone());
            }
            GenericParam::Type(parameter) => {
                parameter.colon_token.get_or_insert_default();
                parameter.bounds.push(parse_quote!(::core::marker::Send));
                parameter.bounds.push(parse_quote!(#future));
            }
            GenericParam::Const(_) => {}
        }
    }
    let mut parameters: Punctuated<GenericParam, Token![,]> = Punctuated::new();
    parameters.push(GenericParam::Lifetime(LifetimeParam::new(future.clone())));
    parameters.extend(added.into_iter().map(|lifetime| -> GenericParam { parse_quote!(#lifetime: #future) }));
    parameters.extend(std::mem::take(&mut generics.params));
    generics.params = parameters;
    generics.lt_token.get_or_insert_default();
    generics.gt_token.get_or_insert_default();
    if self_by_value {
        generics.make_where_clause().predicates.push(parse_quote!(Self: #future));
    }
}

/// Names elided lifetimes, each by itself.
struct Naming {
    added: Vec<Lifetime>,
    /// Every lifetime in the parameters, for what a result borrows from.
    seen: Vec<Lifetime>,
}

impl Naming {
    fn add(&mut self) -> Lifetime {
        let lifetime = Lifetime::new(&format!("'life{}", self.added.len()), Span::mixed_site());
        self.added.push(lifetime.clone());
        lifetime
    }
}

impl VisitMut for Naming {
    fn visit_type_reference_mut(&mut self, reference: &mut TypeReference) {
        reference.lifetime.get_or_insert_with(|| self.add());
        visit_mut::visit_type_reference_mut(self, reference);
    }

    fn visit_lifetime_mut(&mut self, lifetime: &mut Lifetime) {
        if lifetime.ident == "_" {
            *lifetime = self.add();
        }
        self.seen.push(lifetime.clone());
    }

    fn visit_type_impl_trait_mut(&mut self, ty: &mut TypeImplTrait) {
        visit_mut::visit_type_impl_trait_mut(self, ty);
        let future = of_the_future();
        ty.bounds.push(parse_quote!(::core::marker::Send));
        ty.bounds.push(parse_quote!(#future));
    }

    // What is elided in the type of a function belongs to each call of it.
    fn visit_type_fn_ptr_mut(&mut self, _: &mut TypeFnPtr) {}
    fn visit_parenthesized_generic_arguments_mut(&mut self, _: &mut ParenthesizedGenericArguments) {}
}

/// Puts one lifetime in the place of every elided one.
struct Filling {
    lifetime: Lifetime,
}

impl VisitMut for Filling {
    fn visit_type_reference_mut(&mut self, reference: &mut TypeReference) {
        reference.lifetime.get_or_insert_with(|| self.lifetime.clone());
        visit_mut::visit_type_reference_mut(self, reference);
    }

    fn visit_lifetime_mut(&mut self, lifetime: &mut Lifetime) {
        if lifetime.ident == "_" {
            lifetime.clone_from(&self.lifetime);
        }
    }

    fn visit_type_fn_ptr_mut(&mut self, _: &mut TypeFnPtr) {}
    fn visit_parenthesized_generic_arguments_mut(&mut self, _: &mut ParenthesizedGenericArguments) {}
}
