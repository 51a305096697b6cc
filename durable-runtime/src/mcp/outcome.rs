//! What a request is answered with that an author's function answers.

use rmcp::model::{CreateTaskResult, InputRequiredResult};
use serde_json::Value;

use super::prompt::mistaken;
use crate::engine::Answer;
use crate::error::{Error, ErrorKind};
use crate::id::InvocationId;
use crate::journal::record::Conclusion;
use crate::tool::ArgumentError;

/// What a request is answered with.
pub(super) enum Outcome {
    /// The arguments do not fit.
    Mistake(ArgumentError),
    /// What a function without effects gave.
    Read(Conclusion),
    Answered {
        answer: Answer,
        id: InvocationId,
        is_replayed: bool,
    },
    InputRequired(InputRequiredResult),
    Task {
        task: CreateTaskResult,
        id: InvocationId,
    },
}

/// What a prompt or a resource gave.
pub(super) enum Given {
    Value(Value),
    InputRequired(InputRequiredResult),
}

impl Outcome {
    /// What is given to a client that asked for no call of a tool: a function's error is one of the request. `what` names the
    /// function.
    pub(super) fn into_given(self, what: &str) -> Result<Given, Error> {
        match self {
            Self::Mistake(mistake) => Err(mistaken(what, &[mistake.to_string()])),
            Self::InputRequired(required) => Ok(Given::InputRequired(required)),
            Self::Read(conclusion) => value(&conclusion).map(Given::Value),
            Self::Answered { answer, id, .. } => value(&answer.into_ended(id)?.conclusion).map(Given::Value),
            Self::Task { .. } => unreachable!("only calls of tools are tasks"),
        }
    }
}

fn value(conclusion: &Conclusion) -> Result<Value, Error> {
    let failed = |message: String| Error::new(ErrorKind::AskPerson, "request_failed", message);
    match conclusion {
        Conclusion::Succeeded { value } | Conclusion::Presented { content: value } => {
            serde_json::from_str(value).map_err(|error| failed(error.to_string()))
        }
        Conclusion::Failed { message, .. } | Conclusion::Refused { message, .. } => Err(failed(message.clone())),
        Conclusion::TimedOut { limit_ms } => Err(Error::invocation_timed_out(*limit_ms)),
        Conclusion::Cancelled { reason } => Err(Error::invocation_cancelled(reason)),
    }
}
