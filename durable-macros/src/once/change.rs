//! Finds where the expression of a step changes a local variable of the body.
//!
//! The expression becomes a `Fn`, so the compiler refuses that too, but in terms of closures that the user did not write.

use crate::diagnostics::Diagnostics;
use syn::visit::{self, Visit};
use syn::{BinOp, Expr, Ident, PatIdent};

/// Reports the variables from outside of a step that its expression lends mutably or assigns to.
pub(super) fn refuse(expression: &Expr, diagnostics: &mut Diagnostics) {
    let mut names = Names(Vec::new());
    names.visit_expr(expression);
    let mut changes = Changes { own: &names.0, diagnostics };
    changes.visit_expr(expression);
}

/// The names that the expression itself gives to something: changing those is its own affair.
struct Names(Vec<Ident>);

impl Visit<'_> for Names {
    fn visit_pat_ident(&mut self, pattern: &PatIdent) {
        self.0.push(pattern.ident.clone());
        visit::visit_pat_ident(self, pattern);
    }
}

struct Changes<'a> {
    own: &'a [Ident],
    diagnostics: &'a mut Diagnostics,
}

impl Changes<'_> {
    /// The local variable from outside of the step that a place is, or is a part of.
    fn local<'e>(&self, place: &'e Expr) -> Option<&'e Ident> {
        match place {
            Expr::Path(path) => {
                let name = path.path.get_ident()?;
                // Constants are copied where they are named.
                let is_variable = !name.to_string().starts_with(char::is_uppercase) && !self.own.contains(name);
                is_variable.then_some(name)
            }
            Expr::Field(inner) => self.local(&inner.base),
            Expr::Paren(inner) => self.local(&inner.expr),
            Expr::Group(inner) => self.local(&inner.expr),
            Expr::Index(inner) => self.local(&inner.expr),
            _ => None,
        }
    }

    fn assigned(&mut self, place: &Expr) {
        if let Some(name) = self.local(place) {
            self.diagnostics.on(
                place,
                format!(
                    "a step may run again, and its outcome alone is recorded: let the step return the value, and \
                     change `{name}` after it"
                ),
            );
        }
    }
}

impl<'ast> Visit<'ast> for Changes<'_> {
    fn visit_expr_reference(&mut self, inner: &'ast syn::ExprReference) {
        if inner.mutability.is_some()
            && let Some(name) = self.local(&inner.expr)
        {
            self.diagnostics.on(
                inner,
                format!(
                    "a step may run again, and a second attempt would find `{name}` changed by the first: lend it \
                     without `mut`, or let the step return what is new and change `{name}` after it"
                ),
            );
        }
        visit::visit_expr_reference(self, inner);
    }

    fn visit_expr_assign(&mut self, inner: &'ast syn::ExprAssign) {
        self.assigned(&inner.left);
        visit::visit_expr_assign(self, inner);
    }

    fn visit_expr_binary(&mut self, inner: &'ast syn::ExprBinary) {
        if is_assignment(&inner.op) {
            self.assigned(&inner.left);
        }
        visit::visit_expr_binary(self, inner);
    }

    fn visit_expr_async(&mut self, inner: &'ast syn::ExprAsync) {
        // What is moved into it may be a copy.
        if inner.capture.is_none() {
            visit::visit_expr_async(self, inner);
        }
    }

    fn visit_expr_closure(&mut self, inner: &'ast syn::ExprClosure) {
        if inner.capture.is_none() {
            visit::visit_expr_closure(self, inner);
        }
    }

    fn visit_item(&mut self, _: &'ast syn::Item) {}
}

pub(crate) fn is_assignment(operator: &BinOp) -> bool {
    matches!(
        operator,
        BinOp::AddAssign(_)
            | BinOp::SubAssign(_)
            | BinOp::MulAssign(_)
            | BinOp::DivAssign(_)
            | BinOp::RemAssign(_)
            | BinOp::BitXorAssign(_)
            | BinOp::BitAndAssign(_)
            | BinOp::BitOrAssign(_)
            | BinOp::ShlAssign(_)
            | BinOp::ShrAssign(_)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use syn::parse_quote;

    fn changed(expression: &Expr) -> usize {
        let mut diagnostics = Diagnostics::default();
        refuse(expression, &mut diagnostics);
        diagnostics.count()
    }

    #[test]
    fn changes_of_variables_of_the_body_are_found() {
        assert_eq!(changed(&parse_quote!(call(cx, &mut words).await)), 1);
        assert_eq!(changed(&parse_quote!(call(cx, &mut state.words[0]).await)), 1);
        assert_eq!(
            changed(&parse_quote!(
                async {
                    count += 1;
                    state.total = count;
                    items.iter().for_each(|item| sum += item);
                }
                .await
            )),
            3
        );
    }

    #[test]
    fn changes_of_what_is_the_steps_own_are_accepted() {
        for expression in [
            parse_quote!(call(cx, &mut Vec::new(), &mut BUFFER, &words).await),
            parse_quote!(
                async {
                    let (mut a, Some(b)) = both() else { return };
                    a += 1;
                    call(&mut a, &mut b.c).await
                }
                .await
            ),
            parse_quote!(
                items
                    .iter()
                    .fold(0, |mut sum, item| {
                        sum += item;
                        sum
                    })
                    .await
            ),
            parse_quote!(async move { count += 1 }.await),
        ] {
            assert_eq!(changed(&expression), 0);
        }
    }
}
