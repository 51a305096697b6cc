//! Walks through the body of a durable tool: writes its steps, and sees to it that nothing else is awaited.

use super::branches::{self, Branch};
use super::marker::{self, Marker, Setting};
use super::{attribute, opaque, placement, step};
use crate::diagnostics::Diagnostics;
use crate::origin::{Extent, Runtime};
use quote::ToTokens as _;
use syn::visit::{self, Visit};
use syn::visit_mut::{self, VisitMut};
use syn::{Attribute, Block, Expr, ExprAwait, Ident, Item, Local, Stmt};

/// What is around a place in the body.
#[derive(Clone, Copy, PartialEq)]
enum Around {
    Loop,
    Closure,
    Async,
    Const,
}

/// The body of a durable tool while it is rewritten.
pub(crate) struct Body<'a> {
    runtime: &'a Runtime,
    context: &'a Ident,
    diagnostics: &'a mut Diagnostics,
    around: Vec<Around>,
    names: Vec<String>,
    retry: &'a [Setting],
    /// The labels of branches.
    labels: Vec<String>,
    whole: bool,
}

impl<'a> Body<'a> {
    pub(crate) fn new(runtime: &'a Runtime, context: &'a Ident, diagnostics: &'a mut Diagnostics) -> Self {
        Self {
            runtime,
            context,
            diagnostics,
            around: Vec::new(),
            names: Vec::new(),
            retry: &[],
            labels: Vec::new(),
            whole: true,
        }
    }

    /// What markers say of retries unless they say it themselves.
    pub(crate) fn retry(mut self, retry: &'a [Setting]) -> Self {
        self.retry = retry;
        self
    }

    /// Rewrites the body. Returns whether the result type-checks as well as what the user wrote: after some mistakes it
    /// does not, and the body is better left out.
    pub(crate) fn rewrite(mut self, body: &mut Block) -> bool {
        self.visit_block_mut(body);
        self.whole
    }

    fn refuse(&mut self, place: impl quote::ToTokens, message: &str) {
        self.diagnostics.on(place, message);
        self.whole = false;
    }

    fn inside(&mut self, around: Around, walk: impl FnOnce(&mut Self)) {
        self.around.push(around);
        walk(self);
        self.around.pop();
    }

    /// Turns the expression under `markers` into a step.
    fn step(&mut self, mut markers: Vec<Attribute>, expression: &mut Expr) {
        markers.extend(attribute::of(expression).map(marker::take).unwrap_or_default());
        let mut markers = markers.iter();
        let Some(first) = markers.next() else { return };
        for other in markers {
            self.diagnostics.on(other.path(), "this is marked as a step already: remove one of the markers");
        }
        let mut marker = Marker::read(first, self.diagnostics);
        marker.inherit(self.retry);
        let displaced = self.around.iter().rev().find(|around| **around != Around::Loop);
        match displaced {
            Some(Around::Closure) => {
                return self.refuse(
                    &marker.path,
                    "a step in a closure has no place in the order of the body: write the step in the body itself, in a loop with `key = ..` if need be",
                );
            }
            Some(Around::Async) => {
                return self.refuse(
                    &marker.path,
                    "a step in an `async` block has no place in the order of the body: write the step in the body itself or in a branch of `join!`, or make the whole block one step, `#[once(at_least)] async { .. }.await`",
                );
            }
            Some(Around::Const) => {
                return self.refuse(
                    &marker.path,
                    "a step in a `const` block would run in the compiler: write the step in the body itself",
                );
            }
            _ => {}
        }
        let Some(placement) = placement::examine(&marker.path, expression, self.diagnostics) else {
            self.whole = false;
            return;
        };
        self.check_key(&marker);
        if let (Some(_), Some(question)) = (marker.infallible, &placement.question) {
            self.refuse(
                question,
                "an `infallible` step yields a plain value, which `?` does not take: remove `?`, or `infallible`",
            );
        }
        let name = self.name(&marker, &placement);
        let inner = std::mem::replace(expression, Expr::Verbatim(proc_macro2::TokenStream::new()));
        *expression = step::write(self.runtime, self.context, &marker, &placement, &name, inner);
    }

    /// Turns a call of one of our macros into its branches. `None` if it is not one.
    fn branches(&mut self, call: &syn::Macro) -> Option<Expr> {
        let kind = branches::Kind::of(self.runtime, &call.path)?;
        let refused = Some(Expr::Verbatim(proc_macro2::TokenStream::new()));
        if self.around.iter().any(|around| *around != Around::Loop) {
            let message = format!(
                "`{}` in a closure or an `async` block has no place in the order of the body: write it in the body itself, \
                 or directly in a branch of another",
                kind.written()
            );
            self.refuse(&call.path, &message);
            return refused;
        }
        let Some(expressions) = branches::read(kind, call, self.context, self.diagnostics) else {
            self.whole = false;
            return refused;
        };
        let mut written = Vec::new();
        for mut expression in expressions {
            let callee = branches::callee(&expression);
            let steps_before = self.names.len();
            self.branch(&mut expression);
            let label = self.names.get(steps_before).cloned().or(callee);
            let label = branches::unique(label, &mut self.labels);
            written.push(Branch { label, expression });
        }
        let tokens = branches::write(self.runtime, self.context, kind, &call.path, &written);
        let block = Block {
            brace_token: syn::token::Brace(Extent::of(&call.path).last()),
            stmts: vec![Stmt::Expr(Expr::Verbatim(tokens), None)],
        };
        Some(Expr::Block(syn::ExprBlock { attrs: Vec::new(), label: None, block }))
    }

    fn branch(&mut self, expression: &mut Expr) {
        match expression {
            Expr::Group(group) => self.branch(&mut group.expr),
            // Its contents are a part of the body.
            Expr::Async(block) => {
                self.visit_attributes_mut(&mut block.attrs);
                self.visit_block_mut(&mut block.block);
            }
            _ => self.visit_expr_mut(expression),
        }
    }

    fn check_key(&mut self, marker: &Marker) {
        let Some(key) = &marker.key else {
            if self.around.contains(&Around::Loop) {
                self.diagnostics.on(
                    &marker.path,
                    "a step in a loop needs a key that tells its rounds apart: write `key = ..`, such as `key = item.id`",
                );
            }
            return;
        };
        if opaque::refuse_in_key(key.to_token_stream(), self.diagnostics) {
            self.whole = false;
        }
    }

    /// The name of a step, which no other step of the body has.
    fn name(&mut self, marker: &Marker, placement: &placement::Placement) -> String {
        let (name, at) = match (&marker.name, &placement.callee) {
            (Some(text), _) => (text.value(), text.span()),
            (None, Some(callee)) => (callee.to_string(), callee.span()),
            (None, None) => {
                self.diagnostics.at(
                    placement.awaited,
                    "the step's name cannot be told from what is awaited: write `name = \"..\"` in the marker",
                );
                return String::new();
            }
        };
        if self.names.contains(&name) {
            self.diagnostics.at(
                at,
                format!(
                    "another step of this body is named `{name}` already: write `name = \"..\"` in one of the markers"
                ),
            );
        }
        self.names.push(name.clone());
        name
    }
}

impl VisitMut for Body<'_> {
    fn visit_local_mut(&mut self, local: &mut Local) {
        let markers = marker::take(&mut local.attrs);
        if markers.is_empty() {
            return visit_mut::visit_local_mut(self, local);
        }
        let Some(init) = &mut local.init else {
            return self.refuse(
                markers[0].path(),
                "this `let` has no expression to await: add one with `.await`, or remove the marker",
            );
        };
        self.step(markers, &mut init.expr);
        if let Some((_, diverge)) = &mut init.diverge {
            self.visit_expr_mut(diverge);
        }
    }

    fn visit_stmt_mut(&mut self, statement: &mut Stmt) {
        // The parser gives the marker of `#[once(..)] place = expr.await;` to the place.
        if let Stmt::Expr(Expr::Assign(assignment), _) = statement {
            let markers = attribute::of(&mut assignment.left).map(marker::take).unwrap_or_default();
            if let Some(marker) = markers.first() {
                return self.refuse(
                    marker.path(),
                    "a step is an expression, not an assignment: write `place = #[once(..)] call().await`",
                );
            }
        }
        if let Stmt::Macro(call) = statement
            && branches::Kind::of(self.runtime, &call.mac.path).is_some()
        {
            let inner = syn::ExprMacro { attrs: std::mem::take(&mut call.attrs), mac: call.mac.clone() };
            *statement = Stmt::Expr(Expr::Macro(inner), call.semi_token);
        }
        visit_mut::visit_stmt_mut(self, statement);
    }

    fn visit_expr_mut(&mut self, expression: &mut Expr) {
        let markers = attribute::of(expression).map(marker::take).unwrap_or_default();
        if !markers.is_empty() {
            return self.step(markers, expression);
        }
        match expression {
            Expr::Macro(call) => match self.branches(&call.mac) {
                Some(branches) => {
                    let attributes = attribute::take(expression);
                    *expression = branches;
                    if let Some(place) = attribute::of(expression) {
                        *place = attributes;
                    }
                }
                None => visit_mut::visit_expr_mut(self, expression),
            },
            Expr::Verbatim(tokens) => {
                if opaque::refuse_tokens("syntax that it does not know", tokens.clone(), self.diagnostics) {
                    self.whole = false;
                }
            }
            Expr::Loop(_) | Expr::While(_) => {
                self.inside(Around::Loop, |this| visit_mut::visit_expr_mut(this, expression));
            }
            Expr::ForLoop(inner) => {
                self.visit_attributes_mut(&mut inner.attrs);
                self.visit_pat_mut(&mut inner.pat);
                // What the loop goes through is computed once, before the first round.
                self.visit_expr_mut(&mut inner.expr);
                self.inside(Around::Loop, |this| this.visit_block_mut(&mut inner.body));
            }
            Expr::Closure(_) => self.inside(Around::Closure, |this| visit_mut::visit_expr_mut(this, expression)),
            Expr::Const(_) => self.inside(Around::Const, |this| visit_mut::visit_expr_mut(this, expression)),
            Expr::Async(_) => self.inside(Around::Async, |this| visit_mut::visit_expr_mut(this, expression)),
            _ => visit_mut::visit_expr_mut(self, expression),
        }
    }

    fn visit_expr_await_mut(&mut self, inner: &mut ExprAwait) {
        if let Expr::Macro(call) = placement::without_question(&inner.base)
            && let Some(kind) = branches::Kind::of(self.runtime, &call.mac.path)
        {
            let message = format!("`{}` awaits by itself: remove `.await`", kind.written());
            self.refuse(inner.await_token, &message);
        }
        visit_mut::visit_expr_await_mut(self, inner);
        // Shown over the user's expression, so that "this is not durable" is said there.
        let base = inner.base.to_token_stream();
        let durable = self.runtime.call("durable", Extent::of(&base), base);
        *inner.base = Expr::Verbatim(durable);
    }

    fn visit_macro_mut(&mut self, call: &mut syn::Macro) {
        if opaque::refuse(call, self.diagnostics) {
            self.whole = false;
        }
    }

    fn visit_attributes_mut(&mut self, attributes: &mut Vec<Attribute>) {
        for marker in marker::take(attributes) {
            self.refuse(
                marker.path(),
                "a marker marks nothing here: write it on a `let`, on a statement, or directly before the expression \
                 that is awaited",
            );
        }
    }

    fn visit_item_mut(&mut self, item: &mut Item) {
        if !forbid_markers(item, IN_ITEM, self.diagnostics) {
            self.whole = false;
        }
        if let Item::Macro(definition) = item
            && opaque::refuse_tokens("a macro", definition.mac.tokens.clone(), self.diagnostics)
        {
            self.whole = false;
        }
    }
}

const IN_ITEM: &str = "a marker in an item inside of a body marks nothing: write the step in the body itself";

/// Reports every marker in the body of a tool that has no steps. Returns whether there are none.
pub(crate) fn forbid_steps(body: &Block, diagnostics: &mut Diagnostics) -> bool {
    let before = diagnostics.count();
    let message = "a `read_only` tool is not journaled and has no steps: remove the marker, or take a \
                   `&DurableContext` and remove `read_only`";
    ForbidMarkers { message, diagnostics }.visit_block(body);
    diagnostics.count() == before
}

fn forbid_markers(item: &Item, message: &str, diagnostics: &mut Diagnostics) -> bool {
    let before = diagnostics.count();
    ForbidMarkers { message, diagnostics }.visit_item(item);
    diagnostics.count() == before
}

struct ForbidMarkers<'a> {
    message: &'a str,
    diagnostics: &'a mut Diagnostics,
}

impl Visit<'_> for ForbidMarkers<'_> {
    fn visit_attribute(&mut self, attribute: &Attribute) {
        if marker::is_marker(attribute) {
            self.diagnostics.on(attribute.path(), self.message);
        }
    }

    fn visit_item(&mut self, item: &Item) {
        // A tool or a durable function inside of a body is expanded by itself.
        let is_expanded = |attribute| crate::tool::is_tool(attribute) || crate::helper::is_durable(attribute);
        if !matches!(item, Item::Fn(function) if function.attrs.iter().any(is_expanded)) {
            visit::visit_item(self, item);
        }
    }
}

#[cfg(test)]
mod shapes;
#[cfg(test)]
mod tests;
