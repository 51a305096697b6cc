//! Decides whether a marked expression can be a step: one `.await` on its spine, and nothing that leaves it early.
//!
//! The spine leads from the expression inwards through a final `?`, method calls' receivers, fields, parentheses and
//! casts: in `client.get(url).send().await.map_err(ToolError::from)?` it passes everything but `url` and the closure.

use super::{attribute, change, marker, opaque};
use crate::diagnostics::Diagnostics;
use proc_macro2::Span;
use syn::ext::IdentExt as _;
use syn::parse::Parser as _;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};
use syn::{Attribute, Expr, ExprAwait, Ident, Path, Token};

/// How a step's expression is built.
pub(crate) struct Placement {
    /// The final `?`, which is not part of the step.
    pub(crate) question: Option<Token![?]>,
    /// The called function or method, after which the step is named.
    pub(crate) callee: Option<Ident>,
    /// The place of what is awaited.
    pub(crate) awaited: Span,
}

/// Examines the expression under a marker. `None` if it cannot be a step; the reasons are reported.
pub(crate) fn examine(marker: &Path, expression: &Expr, diagnostics: &mut Diagnostics) -> Option<Placement> {
    let (body, question) = match ungrouped(expression) {
        Expr::Try(question) => (&*question.expr, Some(question.question_token)),
        body => (body, None),
    };
    let spine = spine(body);
    let Some(awaited) = spine.first() else {
        diagnostics.on(marker, without_await(expression));
        return None;
    };
    let before = diagnostics.count();
    let mut inside = Inside { awaited, loops: Vec::new(), depth: 0, diagnostics };
    inside.visit_expr(body);
    change::refuse(body, diagnostics);
    let sound = diagnostics.count() == before;
    sound.then(|| Placement { question, callee: callee(&awaited.base), awaited: awaited.base.span() })
}

/// The awaits on the spine, the outermost first.
fn spine(expression: &Expr) -> Vec<&ExprAwait> {
    let mut awaits = Vec::new();
    let mut next = expression;
    loop {
        next = match next {
            Expr::Await(inner) => {
                awaits.push(inner);
                &inner.base
            }
            Expr::MethodCall(inner) => &inner.receiver,
            Expr::Field(inner) => &inner.base,
            Expr::Paren(inner) => &inner.expr,
            Expr::Group(inner) => &inner.expr,
            Expr::Cast(inner) => &inner.expr,
            Expr::Try(inner) => &inner.expr,
            _ => return awaits,
        };
    }
}

/// What the awaited expression calls, if it is a call.
pub(super) fn callee(awaited: &Expr) -> Option<Ident> {
    match awaited {
        Expr::Paren(inner) => callee(&inner.expr),
        Expr::Group(inner) => callee(&inner.expr),
        Expr::MethodCall(call) => Some(call.method.unraw()),
        Expr::Call(call) => match ungrouped(&call.func) {
            Expr::Path(function) => function.path.segments.last().map(|segment| segment.ident.unraw()),
            _ => None,
        },
        _ => None,
    }
}

/// Looks through the invisible delimiters that a `macro_rules` leaves around an expression.
pub(super) fn ungrouped(expression: &Expr) -> &Expr {
    match expression {
        Expr::Group(group) => ungrouped(&group.expr),
        expression => expression,
    }
}

/// The expression without a final `?`.
pub(super) fn without_question(expression: &Expr) -> &Expr {
    match ungrouped(expression) {
        Expr::Try(question) => without_question(&question.expr),
        expression => expression,
    }
}

fn without_await(expression: &Expr) -> &'static str {
    struct Awaits(bool);
    impl Visit<'_> for Awaits {
        fn visit_expr_await(&mut self, _: &ExprAwait) {
            self.0 = true;
        }
    }
    let mut awaits = Awaits(false);
    awaits.visit_expr(expression);
    match ungrouped(expression) {
        Expr::Closure(_) => "a closure is not a step: write the marker in the body, on the expression that awaits",
        Expr::Async(_) => "an `async` block is a step only when it is awaited: write `async { .. }.await`",
        Expr::Macro(_) => "the framework cannot see into a macro call: write the marker on an expression with `.await`",
        _ if awaits.0 => {
            "the marked expression is more than one awaited call: write `#[once(..)]` directly before the call that is \
             awaited, or give that call a `let` of its own"
        }
        _ => "the marked expression has no `.await`, and a step is what is awaited: add `.await`, or remove the marker",
    }
}

/// Walks through the expression of a step, which is to become the body of an attempt.
struct Inside<'a> {
    /// The one `.await` that makes the step.
    awaited: &'a ExprAwait,
    /// The labels of the loops and blocks in the expression itself; those may be left.
    loops: Vec<Option<Ident>>,
    /// How many closures and `async` blocks are around: their awaits and `?` are their own.
    depth: usize,
    diagnostics: &'a mut Diagnostics,
}

impl Inside<'_> {
    fn nested(&mut self, walk: impl FnOnce(&mut Self)) {
        let loops = std::mem::take(&mut self.loops);
        self.depth += 1;
        walk(self);
        self.depth -= 1;
        self.loops = loops;
    }

    fn within(&mut self, label: Option<&syn::Label>, walk: impl FnOnce(&mut Self)) {
        self.loops.push(label.map(|label| label.name.ident.clone()));
        walk(self);
        self.loops.pop();
    }

    fn leaves(&self, label: Option<&syn::Lifetime>) -> bool {
        match label {
            None => self.loops.is_empty(),
            Some(label) => !self.loops.iter().flatten().any(|known| *known == label.ident),
        }
    }
}

impl<'ast> Visit<'ast> for Inside<'_> {
    fn visit_expr(&mut self, inner: &'ast Expr) {
        let attributes = attribute::seen(inner);
        if attributes.iter().any(marker::is_marker) {
            // That it awaits, and may be left early, follows from its being a step.
            for attribute in attributes {
                self.visit_attribute(attribute);
            }
        } else {
            visit::visit_expr(self, inner);
        }
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        if marker::is_marker(attribute) {
            self.diagnostics.on(
                attribute.path(),
                "a step inside of a step would not be recorded: remove this marker, or give the inner expression a \
                 `let` of its own before",
            );
        }
    }

    fn visit_expr_await(&mut self, inner: &'ast ExprAwait) {
        if self.depth == 0 && !std::ptr::eq(inner, self.awaited) {
            self.diagnostics.on(
                inner.await_token,
                "a step awaits once, and this is another `.await` in it: await it in a step of its own before, or put \
                 the whole into `async { .. }.await`",
            );
        }
        visit::visit_expr_await(self, inner);
    }

    fn visit_expr_try(&mut self, inner: &'ast syn::ExprTry) {
        // After another `.await`, which is reported, `?` goes where that goes.
        let follows_await = spine(&inner.expr).first().is_some_and(|other| !std::ptr::eq(*other, self.awaited));
        if self.depth == 0 && !follows_await {
            self.diagnostics.on(
                inner.question_token,
                "`?` would leave the step in the middle: let the step end with it, do it before the step, or put the \
                 whole into `async { .. }.await`",
            );
        }
        visit::visit_expr_try(self, inner);
    }

    fn visit_expr_return(&mut self, inner: &'ast syn::ExprReturn) {
        if self.depth == 0 {
            self.diagnostics.on(
                inner.return_token,
                "`return` would leave the step before it has an outcome: decide after the step, on its outcome",
            );
        }
        visit::visit_expr_return(self, inner);
    }

    fn visit_expr_break(&mut self, inner: &'ast syn::ExprBreak) {
        if self.depth == 0 && self.leaves(inner.label.as_ref()) {
            self.diagnostics.on(
                inner.break_token,
                "`break` would leave the step before it has an outcome: decide after the step, on its outcome",
            );
        }
        visit::visit_expr_break(self, inner);
    }

    fn visit_expr_continue(&mut self, inner: &'ast syn::ExprContinue) {
        if self.depth == 0 && self.leaves(inner.label.as_ref()) {
            self.diagnostics.on(
                inner.continue_token,
                "`continue` would leave the step before it has an outcome: decide after the step, on its outcome",
            );
        }
    }

    fn visit_expr_loop(&mut self, inner: &'ast syn::ExprLoop) {
        self.within(inner.label.as_ref(), |this| visit::visit_expr_loop(this, inner));
    }

    fn visit_expr_while(&mut self, inner: &'ast syn::ExprWhile) {
        self.within(inner.label.as_ref(), |this| visit::visit_expr_while(this, inner));
    }

    fn visit_expr_for_loop(&mut self, inner: &'ast syn::ExprForLoop) {
        self.within(inner.label.as_ref(), |this| visit::visit_expr_for_loop(this, inner));
    }

    fn visit_expr_closure(&mut self, inner: &'ast syn::ExprClosure) {
        self.nested(|this| visit::visit_expr_closure(this, inner));
    }

    fn visit_expr_async(&mut self, inner: &'ast syn::ExprAsync) {
        self.nested(|this| visit::visit_expr_async(this, inner));
    }

    fn visit_macro(&mut self, inner: &'ast syn::Macro) {
        if self.depth > 0 || opaque::refuse(inner, self.diagnostics) {
            return;
        }
        // Most macros take expressions, and what leaves those early leaves the step.
        let arguments = Punctuated::<Expr, Token![,]>::parse_terminated.parse2(inner.tokens.clone());
        for argument in arguments.into_iter().flatten() {
            self.visit_expr(&argument);
        }
    }

    fn visit_item(&mut self, _: &'ast syn::Item) {}
}

#[cfg(test)]
mod tests;
