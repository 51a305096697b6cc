//! Calls from within the process, without a client.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use crate::engine::{Call, Conversation, Engine, Question, Refusal, Verdict};
use crate::error::{Error, ErrorKind};
use crate::id::InvocationId;
use crate::journal::record::{Conclusion, Reply};
use crate::principal::Principal;

/// A call from within the process: made when it is awaited.
#[must_use = "a call is made when it is awaited"]
#[derive(Debug)]
pub struct LocalCall {
    engine: Engines,
    call: Call,
    person: Person,
}

/// Answers the questions of a call: given a question's key and request, the result as the protocol has it.
#[derive(Clone)]
struct Person(Option<Arc<Answering>>);

type Answering = dyn Fn(&str, &Value) -> Value + Send + Sync;

impl fmt::Debug for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Somebody" } else { "Nobody" })
    }
}

impl Person {
    fn reply(&self, key: &str, question: &Question) -> Reply {
        match &self.0 {
            Some(answer) => {
                let request = serde_json::from_str(&question.request).unwrap_or(Value::Null);
                Reply::Given(answer(key, &request).to_string())
            }
            None => Reply::Unavailable("the call was made within the server's process, where nobody is asked".into()),
        }
    }
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
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
            person: Person(None),
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

    /// Answers the questions of the call, in place of a client: the function is given a question's key and its request, as
    /// `{ "method": "elicitation/create", "params": .. }`, and gives the result as the protocol has it. Without it the tool is
    /// told that nobody can be asked.
    ///
    /// ```
    /// # use durable_runtime::prelude::*;
    /// # async fn call(server: &Server) -> Result<(), Error> {
    /// let arguments = serde_json::json!({ "name": "notes.txt" });
    /// let answer = server
    ///     .call("delete_file", arguments)
    ///     .answering(|_key, _request| serde_json::json!({ "action": "accept", "content": { "confirm": true } }))
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn answering(mut self, answer: impl Fn(&str, &Value) -> Value + Send + Sync + 'static) -> Self {
        self.person = Person(Some(Arc::new(answer)));
        self
    }

    async fn make(self) -> Result<LocalResult, Error> {
        let Self { engine: Engines(engine), call, person } = self;
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
        let mut submitted = engine.submit(call).await.map_err(refused)?;
        let (id, is_replayed) = (submitted.id, submitted.is_replayed());
        if let Some((conversation, _)) = submitted.conversation() {
            tokio::select! {
                biased;
                () = submitted.ended() => {}
                () = converse(&engine, id, &conversation, &person) => {}
            }
        }
        let ended = submitted.answer().await.into_ended(id)?;
        if let Some(delivery) = engine.delivery(&ended.tool, id) {
            delivery.written();
        }
        Ok(LocalResult::of_ended(id, is_replayed, &ended.conclusion))
    }
}

/// Answers questions until the call has ended. One whose answer is none stays open.
async fn converse(engine: &Arc<Engine>, id: InvocationId, conversation: &Conversation, person: &Person) {
    let mut changes = conversation.changes();
    let mut asked = HashSet::new();
    loop {
        changes.borrow_and_update();
        let open = conversation.open().into_iter().filter(|(key, _)| asked.insert(key.clone()));
        let replies: BTreeMap<String, Reply> = open
            .map(|(key, question)| {
                let reply = person.reply(&key, &question);
                (key, reply)
            })
            .collect();
        if !replies.is_empty() {
            match engine.answer(id, replies).await {
                Ok(verdicts) => {
                    for (key, verdict) in verdicts {
                        if let Verdict::Rejected(why) = verdict {
                            tracing::warn!(invocation = %id, question = key, why, "what a local call answers is no answer");
                        }
                    }
                }
                Err(error) => tracing::warn!(invocation = %id, %error, "a question could not be answered"),
            }
            continue;
        }
        if changes.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl LocalResult {
    pub(crate) fn of_ended(invocation: InvocationId, is_replayed: bool, conclusion: &Conclusion) -> Self {
        Self { invocation: Some(invocation), is_replayed, result: result(conclusion) }
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
        Conclusion::Succeeded { value } | Conclusion::Presented { content: value } => Ok(read(value)),
        Conclusion::Failed { message, error } | Conclusion::Refused { message, error } => {
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
