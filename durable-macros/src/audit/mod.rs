//! Audited tools: what `#[audit(..)]` says, and where it may stand.

mod args;
mod expand;

pub(crate) use args::{Audit, is_audit, take};
pub(crate) use expand::{expand, without};

#[cfg(test)]
mod tests;
