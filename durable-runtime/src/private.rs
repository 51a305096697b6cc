//! What expansions of the macros call. Not for use by hand: it changes with any release.

pub use core::result::Result::Ok;

pub use schemars;
pub use serde;
pub use serde_json;

pub use crate::compensation::{Compensation, compensation};
pub use crate::context::{Join, Race, TryJoin, branch, enter, start};
pub use crate::operation::{DurableFuture, Operation, durable, operation, returns};
pub use crate::prompt::Prompt;
pub use crate::resource::Resource;
pub use crate::state::{State, States, state};
pub use crate::step::{
    AtLeast, AtMost, AttemptEnd, InDoubtError, Never, Next, NextOrInDoubt, Reconciliation, StepContext, StepError,
    StepKey, StepResult, StepValue, TimedOutError, at_least, at_most, attempt, infallible, key, never,
};
pub use crate::tool::{
    ArgumentError, Body, Completion, Sent, TaskMode, Tool, ToolDefinition, ToolFault, ToolReturn, ToolValue,
    decode_arguments, sent,
};
pub use crate::toolset::ToolMethods;
