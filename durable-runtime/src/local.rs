//! Calls from within the process, without a client.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;

use serde_json::Value;

use crate::engine::{Call, Engine, Refusal};
use crate::error::{Error, ErrorKind};
use crate::id::InvocationId;
use crate::journal::record::Conclusion;
use crate::principal::Principal;

/// A call from within the process: made when it is awaited.
#[must_use = "a call is made when it is awaited"]
#[derive(Debug)]
pub struct LocalCall {
    engine: Engines,
    call: Call,
}

struct Engines(Arc<Engine>);

impl fmt::Debug for Engines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Engine")
    }
}

/// What a call from within the process gave.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LocalResult {
    /// The invocation; `None` for a read-only tool, which has none.
    pub invocation: Option<InvocationId>,
    /// Whether the invocation had ended before this call.
    pub is_replayed: bool,
    /// The tool's value, or its error.
    pub result: Result<Value, ToolFailure>,
}

/// The error that a tool ended with, or what ended its call before.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
#[non_exhaustive]
pub struct ToolFailure {
    /// Its text.
    pub message: String,
    /// Itself, as JSON.
    pub error: Value,
    /// `invocation_timed_out` or `invocation_cancelled`, if it was not the tool that ended the call.
    pub code: Option<&'static str>,
}

impl LocalCall {
    pub(crate) fn new(engine: Arc<Engine>, tool: String, arguments: Value) -> Self {
        Self {
            engine: Engines(engine),
            call: Call {
                tool,
                arguments,
                principal: String::new(),
                origin: "local",
                idempotency_key: None,
                name: None,
            },
        }
    }

    /// Gives the call a key: made again with the same key and arguments, it is the same invocation.
    pub fn idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.call.idempotency_key = Some(key.into());
        self
    }

    /// Makes the call in the name of this caller, in place of the anonymous one.
    pub fn principal(mut self, principal: impl Into<String>) -> Self {
        self.call.principal = principal.into();
        self
    }

    async fn make(self) -> Result<LocalResult, Error> {
        let Self { engine: Engines(engine), call } = self;
        let refused = |refusal| match refusal {
            Refusal::Arguments(mistake) => {
                Error::new(ErrorKind::FixCall, "invalid_arguments", format!("the arguments do not fit: {mistake}"))
            }
            Refusal::Other(error) => error,
        };
        if let Some(tool) = engine.tools().get(&call.tool)
            && tool.definition.read_only
        {
            let principal = Principal::new(call.principal);
            let conclusion = engine.read(tool, call.arguments, principal).await.map_err(refused)?;
            return Ok(LocalResult { invocation: None, is_replayed: false, result: result(&conclusion) });
        }
        let submitted = engine.submit(call).await.map_err(refused)?;
        let (id, is_replayed) = (submitted.id, submitted.is_replayed());
        let ended = submitted.answer().await.into_ended(id)?;
        Ok(LocalResult { invocation: Some(id), is_replayed, result: result(&ended.conclusion) })
    }
}

impl IntoFuture for LocalCall {
    type Output = Result<LocalResult, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.make())
    }
}

fn result(conclusion: &Conclusion) -> Result<Value, ToolFailure> {
    let read = |json: &str| serde_json::from_str(json).unwrap_or(Value::Null);
    match conclusion {
        Conclusion::Succeeded { value } => Ok(read(value)),
        Conclusion::Failed { message, error } => {
            Err(ToolFailure { message: message.clone(), error: read(error), code: None })
        }
        Conclusion::TimedOut { limit_ms } => {
            Err(interrupted("invocation_timed_out", &Error::invocation_timed_out(*limit_ms)))
        }
        Conclusion::Cancelled { reason } => {
            Err(interrupted("invocation_cancelled", &Error::invocation_cancelled(reason)))
        }
    }
}

fn interrupted(code: &'static str, error: &Error) -> ToolFailure {
    let json = serde_json::json!({ "type": code, "next": error.kind() });
    ToolFailure { message: error.to_string(), error: json, code: Some(code) }
}
