//! Finds what a body outside of its steps must not name: a replay would see another time, another chance, another world.

mod foreign;
mod place;

use crate::diagnostics::Diagnostics;
use crate::once::{Marker, attribute, is_assignment, is_marker, named};
use crate::origin::Runtime;
use crate::unfinished;
use proc_macro2::{Span, TokenStream};
use quote::{ToTokens as _, quote};
use syn::visit::{self, Visit};
use syn::visit_mut::{self, VisitMut};
use syn::{
    Arm, Attribute, Block, Expr, ExprAwait, ExprClosure, ExprForLoop, ExprMethodCall, ExprPath, Item, Local, Macro,
    Meta, Pat, PatIdent, Path, Stmt, Type,
};

const IN_STEP: &str = "nothing is checked in a step: remove `#[allow_nondeterminism]`";
const IN_ITEM: &str = "nothing is checked in an item inside of a body: remove `#[allow_nondeterminism]`";
const IN_READER: &str = "a `read_only` tool is not replayed, so nothing is checked: remove `#[allow_nondeterminism]`";
const AGAIN: &str = "this is allowed already: remove the inner `#[allow_nondeterminism]`";
const NO_PLACE: &str =
    "this allows nothing here: write `#[allow_nondeterminism]` on a statement, or directly before an expression";
const UNORDERED: &[&str] = &["HashMap", "HashSet"];
/// The methods that go through a map or a set in its order.
const ITERATING: &[&str] =
    &["iter", "iter_mut", "keys", "values", "values_mut", "into_iter", "into_keys", "into_values", "drain"];
/// The methods by which what a `static` holds is read or changed.
const SHARED: &[&str] = &[
    "lock",
    "try_lock",
    "store",
    "load",
    "swap",
    "compare_exchange",
    "compare_exchange_weak",
    "read",
    "write",
    "borrow",
    "borrow_mut",
    "set",
    "update",
    "with",
    "with_borrow",
    "with_borrow_mut",
    "get_or_init",
    "get_or_try_init",
];

/// Reports what is not the same in a replay, and takes every `#[allow_nondeterminism]` away. Returns whether the body
/// still type-checks as well as what the user wrote.
///
/// `parameters` are those of the function, by whose types unordered maps are known.
pub(crate) fn check<'a>(
    body: &mut Block,
    parameters: impl IntoIterator<Item = (String, &'a Type)>,
    runtime: &Runtime,
    diagnostics: &mut Diagnostics,
) -> bool {
    let unordered = parameters.into_iter().filter_map(|(name, ty)| Some((name, unordered(ty)?))).collect();
    let mut check =
        Check { runtime, diagnostics, unordered, refused_macros: Vec::new(), permissions: Vec::new(), whole: true };
    check.visit_block_mut(body);
    let (whole, permissions) = (check.whole, check.permissions);
    let named = permissions.iter().map(|path| Stmt::Expr(Expr::Verbatim(named(path)), None));
    body.stmts.splice(0..0, named);
    whole
}

/// Reports every `#[allow_nondeterminism]` in the body of a tool that is not checked, and takes it away.
pub(crate) fn forbid_allowing(body: &mut Block, diagnostics: &mut Diagnostics) {
    Needless { message: IN_READER, diagnostics }.visit_block_mut(body);
}

/// Expands a permission that the compiler itself has met: no durable tool has taken it away.
pub(crate) fn misplaced(item: &TokenStream) -> TokenStream {
    let mut diagnostics = Diagnostics::default();
    diagnostics.at(
        Span::call_site(),
        "`#[allow_nondeterminism]` is only understood inside a function under `#[durable_tool]` or `#[durable]`: remove it",
    );
    crate::misplaced::keep(&diagnostics.into_compile_errors(), item)
}

pub(crate) fn is_allowing(attribute: &Attribute) -> bool {
    attribute.path().segments.last().is_some_and(|segment| segment.ident == "allow_nondeterminism")
}

/// The name of the type, if what it holds is in no order.
fn unordered(ty: &Type) -> Option<&'static str> {
    match ty {
        Type::Reference(inner) => unordered(&inner.elem),
        Type::Group(inner) => unordered(&inner.elem),
        Type::Paren(inner) => unordered(&inner.elem),
        Type::Path(path) => {
            let last = &path.path.segments.last()?.ident;
            UNORDERED.iter().find(|name| last == name).copied()
        }
        _ => None,
    }
}

struct Check<'a> {
    runtime: &'a Runtime,
    diagnostics: &'a mut Diagnostics,
    /// The variables that hold a map or a set in no order, with its type.
    unordered: Vec<(String, &'static str)>,
    /// The macros whose definition in the body is reported.
    refused_macros: Vec<String>,
    /// The paths of the permissions that were taken away.
    permissions: Vec<Path>,
    whole: bool,
}

impl Check<'_> {
    /// Takes the permission from `attributes`. Returns whether there is one.
    fn allowed(&mut self, attributes: &mut Vec<Attribute>) -> bool {
        let mut allowed = attributes.extract_if(.., |attribute| is_allowing(attribute));
        let Some(first) = allowed.next() else { return false };
        if !matches!(first.meta, Meta::Path(_)) {
            self.diagnostics.on(&first.meta, "`#[allow_nondeterminism]` takes no options: remove them");
        }
        self.permissions.push(first.path().clone());
        for again in allowed {
            self.diagnostics.on(again.path(), AGAIN);
        }
        true
    }

    fn needless(&mut self, message: &'static str) -> Needless<'_> {
        Needless { message, diagnostics: self.diagnostics }
    }

    /// Checks what of a marked expression is computed outside of the step.
    fn step(&mut self, markers: &[Attribute], expression: &mut Expr) {
        for marker in markers {
            // Its mistakes are reported when the step is written.
            if let Some(mut key) = Marker::read(marker, &mut Diagnostics::default()).key {
                self.visit_expr_mut(&mut key);
            }
        }
        self.needless(IN_STEP).visit_expr_mut(expression);
    }

    /// Walks with the variables that are known now, and forgets about those that the walk has met.
    fn scope(&mut self, walk: impl FnOnce(&mut Self)) {
        let outer = self.unordered.clone();
        walk(self);
        self.unordered = outer;
    }

    /// Another variable has the name from here on.
    fn shadow(&mut self, pattern: &Pat) {
        let mut names = Names(Vec::new());
        names.visit_pat(pattern);
        self.unordered.retain(|(name, _)| !names.0.contains(name));
    }

    /// Reports a place that is a `static`, or a part of one.
    fn global(&mut self, place: &Expr) {
        let path = match bare(place) {
            Expr::Field(inner) => return self.global(&inner.base),
            Expr::Index(inner) => return self.global(&inner.expr),
            Expr::Path(path) if is_static(path) => path,
            _ => return,
        };
        let name = path.to_token_stream().to_string().replace(' ', "");
        self.diagnostics.on(
            path,
            format!(
                "what `{name}` holds may have changed by the time of a replay: use it in a step, or pass what it holds \
                 as `State`"
            ),
        );
    }

    fn iterated(&mut self, collection: &Expr, place: impl quote::ToTokens) {
        let Expr::Path(path) = bare(collection) else { return };
        let Some(name) = path.path.get_ident() else { return };
        let Some((_, ty)) = self.unordered.iter().find(|(unordered, _)| name == unordered) else { return };
        let ordered = if *ty == "HashMap" { "BTreeMap" } else { "BTreeSet" };
        self.diagnostics.on(
            place,
            format!("a `{ty}` has another order in each process, so a replay would go another way: make `{name}` a `{ordered}`"),
        );
    }
}

/// The expression without the parentheses and borrows around it.
fn bare(expression: &Expr) -> &Expr {
    match expression {
        Expr::Paren(inner) => bare(&inner.expr),
        Expr::Group(inner) => bare(&inner.expr),
        Expr::Reference(inner) => bare(&inner.expr),
        _ => expression,
    }
}

fn is_static(path: &ExprPath) -> bool {
    path.path.segments.last().is_some_and(|last| {
        let name = last.ident.to_string();
        name.contains(|letter: char| letter.is_ascii_uppercase())
            && !name.contains(|letter: char| letter.is_ascii_lowercase())
    })
}

/// The part of a statement to which the parser gives the statement's attributes.
fn first(expression: &mut Expr) -> &mut Expr {
    match expression {
        Expr::Assign(inner) => first(&mut inner.left),
        Expr::Binary(inner) => first(&mut inner.left),
        Expr::Cast(inner) => first(&mut inner.expr),
        expression => expression,
    }
}

impl VisitMut for Check<'_> {
    fn visit_block_mut(&mut self, block: &mut Block) {
        self.scope(|this| visit_mut::visit_block_mut(this, block));
    }

    fn visit_stmt_mut(&mut self, statement: &mut Stmt) {
        match statement {
            Stmt::Expr(expression, _) => {
                let attributes = attribute::of(first(expression)).filter(|all| !all.iter().any(is_marker));
                if attributes.is_some_and(|attributes| self.allowed(attributes)) {
                    return self.needless(AGAIN).visit_expr_mut(expression);
                }
            }
            Stmt::Macro(call) => {
                if self.allowed(&mut call.attrs) {
                    return;
                }
            }
            Stmt::Local(_) | Stmt::Item(_) => {}
        }
        visit_mut::visit_stmt_mut(self, statement);
    }

    fn visit_local_mut(&mut self, local: &mut Local) {
        let markers: Vec<Attribute> = local.attrs.iter().filter(|attribute| is_marker(attribute)).cloned().collect();
        if markers.is_empty() {
            if self.allowed(&mut local.attrs) {
                self.needless(AGAIN).visit_local_mut(local);
            } else {
                visit_mut::visit_local_mut(self, local);
            }
        } else {
            self.needless(IN_STEP).visit_attributes_mut(&mut local.attrs);
            if let Some(init) = &mut local.init {
                self.step(&markers, &mut init.expr);
                if let Some((_, diverge)) = &mut init.diverge {
                    self.visit_expr_mut(diverge);
                }
            }
        }
        self.shadow(&local.pat);
    }

    fn visit_expr_mut(&mut self, expression: &mut Expr) {
        let attributes = attribute::seen(expression);
        let markers: Vec<Attribute> = attributes.iter().filter(|attribute| is_marker(attribute)).cloned().collect();
        if !markers.is_empty() {
            return self.step(&markers, expression);
        }
        if attribute::of(expression).is_some_and(|attributes| self.allowed(attributes)) {
            return self.needless(AGAIN).visit_expr_mut(expression);
        }
        match expression {
            Expr::Path(path) => {
                if let Some(message) = place::outside(&path.path, false) {
                    self.diagnostics.on(&path.path, message);
                }
            }
            Expr::Call(call) => {
                if let Expr::Path(path) = bare(&call.func)
                    && path.path.get_ident().is_some()
                    && let Some(message) = place::outside(&path.path, true)
                {
                    self.diagnostics.on(&path.path, message);
                }
            }
            // Nothing but a `static` of that name can be changed.
            Expr::Assign(inner) => self.global(&inner.left),
            Expr::Binary(inner) if is_assignment(&inner.op) => self.global(&inner.left),
            Expr::RawAddr(inner) => self.global(&inner.expr),
            // A constant would not need it.
            Expr::Unsafe(inner) => {
                if let [Stmt::Expr(read @ (Expr::Path(_) | Expr::Field(_) | Expr::Index(_)), None)] =
                    &inner.block.stmts[..]
                {
                    self.global(read);
                }
            }
            Expr::Let(_) => {
                visit_mut::visit_expr_mut(self, expression);
                if let Expr::Let(inner) = expression {
                    self.shadow(&inner.pat);
                }
                return;
            }
            Expr::If(_) | Expr::While(_) => {
                return self.scope(|this| visit_mut::visit_expr_mut(this, expression));
            }
            _ => {}
        }
        visit_mut::visit_expr_mut(self, expression);
    }

    fn visit_expr_await_mut(&mut self, inner: &mut ExprAwait) {
        let before = self.diagnostics.count();
        visit_mut::visit_expr_await_mut(self, inner);
        // What is awaited is not durable either, and that need not be said as well.
        self.whole &= self.diagnostics.count() == before;
    }

    fn visit_expr_closure_mut(&mut self, closure: &mut ExprClosure) {
        self.scope(|this| {
            for input in &closure.inputs {
                this.shadow(input);
            }
            visit_mut::visit_expr_closure_mut(this, closure);
        });
    }

    fn visit_arm_mut(&mut self, arm: &mut Arm) {
        self.scope(|this| {
            this.shadow(&arm.pat);
            visit_mut::visit_arm_mut(this, arm);
        });
    }

    fn visit_expr_for_loop_mut(&mut self, inner: &mut ExprForLoop) {
        self.iterated(&inner.expr, &inner.expr);
        self.visit_expr_mut(&mut inner.expr);
        self.scope(|this| {
            this.shadow(&inner.pat);
            this.visit_block_mut(&mut inner.body);
        });
    }

    fn visit_expr_method_call_mut(&mut self, call: &mut ExprMethodCall) {
        let method = call.method.to_string();
        if ITERATING.contains(&method.as_str()) {
            let (receiver, dot, method) = (&call.receiver, &call.dot_token, &call.method);
            self.iterated(receiver, quote!(#receiver #dot #method));
        }
        // With other numbers of arguments these are methods of what does not change.
        let of_cells = matches!((method.as_str(), call.args.len()), ("get" | "take", 0) | ("replace", 1));
        if of_cells || SHARED.contains(&method.as_str()) || method.starts_with("fetch_") {
            self.global(&call.receiver);
        }
        visit_mut::visit_expr_method_call_mut(self, call);
    }

    fn visit_macro_mut(&mut self, call: &mut Macro) {
        match foreign::examine(call, self.runtime) {
            foreign::Call::Known(arguments) => {
                for mut argument in arguments {
                    self.visit_expr_mut(&mut argument);
                }
                call.tokens = unfinished::without(call.tokens.clone(), &is_allowing);
            }
            foreign::Call::Unknown(name) if !self.refused_macros.contains(&name) => {
                self.diagnostics.on(
                    &call.path,
                    format!(
                        "the framework does not know what `{name}!` expands to: write a function in its place, or \
                         `#[allow_nondeterminism]` on the statement if a replay gets the same from it"
                    ),
                );
            }
            foreign::Call::Unknown(_) | foreign::Call::Refused => {}
        }
    }

    fn visit_attributes_mut(&mut self, attributes: &mut Vec<Attribute>) {
        self.needless(NO_PLACE).visit_attributes_mut(attributes);
    }

    fn visit_item_mut(&mut self, item: &mut Item) {
        if let Item::Macro(definition) = item
            && let Some(name) = &definition.ident
            && foreign::waits(definition.mac.tokens.clone())
        {
            self.refused_macros.push(name.to_string());
        }
        self.needless(IN_ITEM).visit_item_mut(item);
    }
}

/// The names that a pattern binds.
struct Names(Vec<String>);

impl Visit<'_> for Names {
    fn visit_pat_ident(&mut self, pattern: &PatIdent) {
        self.0.push(pattern.ident.to_string());
        visit::visit_pat_ident(self, pattern);
    }
}

/// Reports and takes away each permission where nothing is checked.
struct Needless<'a> {
    message: &'static str,
    diagnostics: &'a mut Diagnostics,
}

impl VisitMut for Needless<'_> {
    fn visit_attributes_mut(&mut self, attributes: &mut Vec<Attribute>) {
        for needless in attributes.extract_if(.., |attribute| is_allowing(attribute)) {
            self.diagnostics.on(needless.path(), self.message);
        }
    }

    fn visit_item_mut(&mut self, item: &mut Item) {
        // A tool inside of a tool is expanded by itself.
        let is_expanded = |attribute| crate::tool::is_tool(attribute) || crate::helper::is_durable(attribute);
        if !matches!(item, Item::Fn(function) if function.attrs.iter().any(is_expanded)) {
            visit_mut::visit_item_mut(self, item);
        }
    }
}

#[cfg(test)]
mod tests;
