//! Programs in every form that the macros accept. What they refuse is in `ui/fail`.

// Each is a crate as its author would have it, with the lints that it names itself; little of it is called.
#![allow(dead_code, missing_docs, unreachable_pub, clippy::unused_async, clippy::unwrap_used)]

pub mod arguments;
pub mod audit;
pub mod branches;
pub mod determinism;
pub mod helpers;
pub mod idempotency;
pub mod methods;
pub mod odd_programs;
pub mod own_errors;
pub mod prompts_and_resources;
pub mod reconcile;
pub mod renamed_crate;
pub mod step_positions;
pub mod strict_crate;
pub mod tests;
pub mod tool_with_compensation;
pub mod tool_with_task_options;
pub mod tools;
