//! The attributes of an expression, which the syntax tree keeps in each kind of expression separately.

use syn::{Attribute, Expr};

/// The attributes of `$expression`, borrowed as `$($borrow)+`; `None` for tokens that the parser does not know.
macro_rules! of_every_kind {
    ($expression:ident, $($borrow:tt)+) => {
        of_every_kind!(@kinds $expression, ($($borrow)+), Array Assign Async Await Binary Block Break Call Cast Closure
            Const Continue Field ForLoop Group If Index Infer Let Lit Loop Macro Match MethodCall Paren Path Range
            RawAddr Reference Repeat Return Struct Try TryBlock Tuple Unary Unsafe While Yield)
    };
    (@kinds $expression:ident, $borrow:tt, $($kind:ident)*) => {
        match $expression {
            $(Expr::$kind(inner) => Some(of_every_kind!(@borrow $borrow inner)),)*
            _ => None,
        }
    };
    (@borrow ($($borrow:tt)+) $inner:ident) => {
        $($borrow)+ $inner.attrs
    };
}

/// The attributes of an expression; `None` for tokens that the parser does not know.
pub(crate) fn of(expression: &mut Expr) -> Option<&mut Vec<Attribute>> {
    of_every_kind!(expression, &mut)
}

/// The attributes of an expression, to be read.
pub(crate) fn seen(expression: &Expr) -> &[Attribute] {
    of_every_kind!(expression, &).map_or(&[], Vec::as_slice)
}

/// Takes all attributes of an expression.
pub(crate) fn take(expression: &mut Expr) -> Vec<Attribute> {
    of(expression).map(std::mem::take).unwrap_or_default()
}
