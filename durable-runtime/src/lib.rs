//! Durable MCP servers: annotated async functions whose calls survive anything.
//!
//! A tool is an async function under [`durable_tool`]. Each await in it that has an effect is marked
//! [`#[once(at_least)]`](once) or [`#[once(at_most)]`](once) and becomes a journaled step. When the server is killed
//! anywhere in a call and started again, the call goes on by itself from where it was: steps with an outcome are not run
//! again, and the client gets the one result.
//!
//! ```no_run
//! use durable_runtime::prelude::*;
//!
//! async fn create_user(cx: &StepContext, name: &str) -> Result<String, ToolError> {
//!     Ok(format!("user {name}"))
//! }
//!
//! /// Creates a user.
//! #[durable_tool]
//! async fn register(
//!     cx: &DurableContext,
//!     /// The name to sign in with.
//!     name: String,
//! ) -> Result<String, ToolError> {
//!     #[once(at_least)]
//!     let user = create_user(cx, &name).await?;
//!     Ok(user)
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Error> {
//!     let server = Server::builder("users", "1.0.0")
//!         .store("users.redb")
//!         .tool(register)
//!         .open()
//!         .await?;
//!     server.serve_http("127.0.0.1:9991").await
//! }
//! ```
//!
//! # Features
//!
//! - `http`, by default: Streamable HTTP, with [`Server::serve_http`], [`Server::service`] and bearer tokens. A server that only
//!   speaks over standard input and output does without it, and builds no HTTP stack: `default-features = false`.
//! - `testing`: the module `testing`, for tests of tools.

// The macros name this crate, also in its own tests.
#[cfg(any(test, fuzzing))]
extern crate self as durable_runtime;

mod audit;
mod chance;
mod clock;
mod compensation;
mod content;
mod context;
mod engine;
mod error;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod id;
mod invocations;
mod journal;
mod local;
mod macros;
mod mcp;
mod notice;
mod operation;
pub mod prelude;
mod principal;
mod prompt;
mod question;
mod resource;
mod state;
mod step;
pub mod store;
mod table;
#[cfg(feature = "testing")]
pub mod testing;
mod tool;
mod toolset;
pub mod uuid7;

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;

pub use audit::{AuditEntry, AuditLog, AuditPage, AuditQuery};
pub use clock::{Clock, SystemClock, Timestamp};
pub use compensation::CancelledStep;
pub use content::{Content, ResourceContents};
pub use context::{DurableContext, QuestionOperation, ReadContext, TransactionOperation};
pub use durable_macros::{
    allow_nondeterminism, audit, durable, durable_prompt, durable_resource, durable_tool, durable_tools, once,
};
pub use engine::{Difference, Limits, Unfit};
pub use error::{AtMostOnceFailedBeforeCompleting, Error, ErrorKind, StepTimedOut, ToolError};
pub use id::InvocationId;
pub use invocations::{
    Explanation, FailedAttempt, InvocationOrigin, InvocationPage, InvocationState, InvocationSummary, Invocations,
    JournalEntry, StepExplanation, StepOutcome, StepState, Wait, WaitReason,
};
pub use local::{LocalCall, LocalResult, ToolFailure};
#[cfg(feature = "http")]
pub use mcp::Listening;
pub use mcp::{Server, ServerBuilder};
pub use notice::LogLevel;
pub use operation::{DurableFuture, Operation};
pub use principal::Principal;
pub use prompt::{Prompt, PromptMessage};
pub use question::{Elicited, Root, Sampled, Sampling, Unanswered};
pub use resource::Resource;
pub use state::State;
pub use step::{Reconciled, StepContext};
pub use table::{
    Encoding, Json, KeyRange, OpenStore, Page, Prefix, Raw, ReadTables, SortedMap, Store, TableOperation, Transaction,
    WriteTables,
};
pub use tool::{ArgumentError, Body, Tool, ToolDefinition, ToolReturn};
pub use toolset::Toolset;

/// The examples of the documentation, as tests.
#[cfg(doctest)]
mod documentation {
    #[doc = include_str!("../../README.md")]
    mod readme {}
    #[doc = include_str!("../../docs/callers.md")]
    mod callers {}
    #[doc = include_str!("../../docs/operations.md")]
    mod operations {}
    #[doc = include_str!("../../docs/idempotency.md")]
    mod idempotency {}
    #[doc = include_str!("../../docs/prompts-and-resources.md")]
    mod prompts_and_resources {}
    #[doc = include_str!("../../docs/questions.md")]
    mod questions {}
    #[doc = include_str!("../../docs/stdio.md")]
    mod stdio {}
    #[doc = include_str!("../../docs/steps.md")]
    mod steps {}
    #[doc = include_str!("../../docs/tables.md")]
    mod tables {}
    #[doc = include_str!("../../docs/audit.md")]
    mod audit {}
    #[doc = include_str!("../../docs/cookbook.md")]
    mod cookbook {}
    #[cfg(feature = "testing")]
    #[doc = include_str!("../../docs/testing.md")]
    mod testing {}
}
