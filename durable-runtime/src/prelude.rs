//! All that a file with tools in it needs.
//!
//! ```
//! use durable_runtime::prelude::*;
//! ```

pub use crate::audit::AuditLog;
pub use crate::compensation::CancelledStep;
pub use crate::content::{Content, ResourceContents};
pub use crate::context::{DurableContext, ReadContext};
pub use crate::error::{AtMostOnceFailedBeforeCompleting, Error, StepTimedOut, ToolError};
pub use crate::mcp::Server;
pub use crate::notice::LogLevel;
pub use crate::prompt::PromptMessage;
pub use crate::question::{Elicited, Sampling, Unanswered};
pub use crate::state::State;
pub use crate::step::{Reconciled, StepContext};
pub use crate::table::{SortedMap, Transaction};
pub use crate::{
    allow_nondeterminism, audit, durable, durable_prompt, durable_resource, durable_tool, durable_tools, join, once,
    race, tools, try_join,
};
