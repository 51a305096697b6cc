//! The attributes of an expression, which the syntax tree keeps in each kind of expression separately.

use syn::{Attribute, Expr};

macro_rules! of_every_kind {
    ($expression:ident: $($kind:ident)*) => {
        match $expression {
            $(Expr::$kind(inner) => Some(&mut inner.attrs),)*
            _ => None,
        }
    };
}

/// The attributes of an expression; `None` for tokens that the parser does not know.
pub(super) fn of(expression: &mut Expr) -> Option<&mut Vec<Attribute>> {
    of_every_kind!(expression: Array Assign Async Await Binary Block Break Call Cast Closure Const Continue Field ForLoop
        Group If Index Infer Let Lit Loop Macro Match MethodCall Paren Path Range RawAddr Reference Repeat Return Struct
        Try TryBlock Tuple Unary Unsafe While Yield)
}

/// Takes all attributes of an expression.
pub(super) fn take(expression: &mut Expr) -> Vec<Attribute> {
    of(expression).map(std::mem::take).unwrap_or_default()
}
