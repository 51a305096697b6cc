//! Steps: the marker, where it may stand, and what it turns into.

mod at_most;
pub(crate) mod attribute;
mod branches;
mod change;
mod marker;
mod opaque;
mod placement;
mod quantity;
mod retry;
mod rewrite;
mod step;

pub(crate) use at_most::has_step as has_at_most_step;
pub(crate) use branches::is_of_branches;
pub(crate) use change::is_assignment;
pub(crate) use marker::{Marker, Setting, is_marker, parenthesized, take as take_markers};
pub(crate) use opaque::refuse_in_key;
pub(crate) use quantity::{milliseconds, whole};
pub(crate) use retry::read as read_retry;
pub(crate) use rewrite::{Body, forbid_steps};
pub(crate) use step::named;

use crate::diagnostics::Diagnostics;
use proc_macro2::TokenStream;

/// Expands a marker that the compiler itself has met: it stands where no durable tool has taken it away.
pub(crate) fn misplaced(item: &TokenStream) -> TokenStream {
    let mut diagnostics = Diagnostics::default();
    diagnostics.at(
        proc_macro2::Span::call_site(),
        "`#[once]` is only understood inside a function under `#[durable_tool]` or `#[durable]`: \
         move it onto an awaited expression there, or remove it",
    );
    crate::misplaced::keep(&diagnostics.into_compile_errors(), item)
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::quote;

    #[test]
    fn a_marker_outside_of_a_tool_is_an_error_and_keeps_its_item() {
        let expansion = misplaced(&quote!(
            fn lonely() {}
        ))
        .to_string();
        assert!(expansion.contains("only understood inside a function under `#[durable_tool]`"), "{expansion}");
        assert!(
            expansion.ends_with(
                &quote!(
                    fn lonely() {}
                )
                .to_string()
            ),
            "{expansion}"
        );
    }
}
