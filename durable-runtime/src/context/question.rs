//! Questions of a tool's body to its client.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::DurableContext;
use crate::journal::codec;
use crate::journal::identity::Identity;
use crate::journal::record::Reply;
use crate::operation::Operation;
use crate::question::{Answer, Elicited, Read, Root, Sampled, Sampling, Unanswered, elicitation, roots};

impl DurableContext {
    /// Asks the person at the client for a `T`, with a form: a struct with fields of plain types (texts, numbers, booleans,
    /// enums without data, lists of those enums, each also as an `Option`), whose doc comments are shown.
    ///
    /// The question is durable before it is asked, and its answer before it is acknowledged. Both survive restarts: nobody is
    /// asked again, and nothing in front of the question is run again. How long an answer is waited for is
    /// [`Limits::question_expiry`](crate::Limits::question_expiry) unless [`expires_in`](QuestionOperation::expires_in) says
    /// otherwise; meanwhile the call takes no memory. A form that is filled in wrongly is asked for again.
    ///
    /// ```
    /// use durable_runtime::prelude::*;
    /// # use schemars::JsonSchema;
    /// # use serde::Deserialize;
    /// # async fn delete(_: &StepContext, _: &str) -> Result<(), ToolError> { Ok(()) }
    ///
    /// #[derive(Deserialize, JsonSchema)]
    /// struct Confirmation {
    ///     /// Whether the file is to be deleted
    ///     confirm: bool,
    /// }
    ///
    /// /// Deletes a file, if a person agrees.
    /// #[durable_tool]
    /// async fn delete_file(cx: &DurableContext, name: String) -> Result<bool, ToolError> {
    ///     let answer = cx.elicit::<Confirmation>(format!("Delete {name}?")).named("confirmation").await;
    ///     if !answer.accepted()?.confirm {
    ///         return Ok(false);
    ///     }
    ///     #[once(at_least)]
    ///     delete(cx, &name).await?;
    ///     Ok(true)
    /// }
    /// ```
    pub fn elicit<T>(&self, message: impl Into<String>) -> QuestionOperation<'_, Elicited<T>>
    where
        T: DeserializeOwned + JsonSchema + Send,
    {
        QuestionOperation::new(self, "elicit", elicitation::<T>(message.into(), None))
    }

    /// Asks the client's model. What is recorded and when, is as with [`elicit`](Self::elicit).
    ///
    /// ```
    /// use durable_runtime::prelude::*;
    ///
    /// /// Makes a text shorter.
    /// #[durable_tool]
    /// async fn shorten(cx: &DurableContext, text: String) -> Result<String, ToolError> {
    ///     let answer = cx.sample(Sampling::new(format!("In one sentence: {text}"), 200)).await?;
    ///     Ok(answer.text())
    /// }
    /// ```
    pub fn sample(&self, sampling: Sampling) -> QuestionOperation<'_, Result<Sampled, Unanswered>> {
        QuestionOperation::new(self, "sample", Ok(sampling.into_request()))
    }

    /// Asks the client for the directories that it works in. What is recorded and when, is as with [`elicit`](Self::elicit).
    pub fn roots(&self) -> QuestionOperation<'_, Result<Vec<Root>, Unanswered>> {
        QuestionOperation::new(self, "roots", Ok(roots()))
    }

    async fn ask<A: Answer>(&self, draft: Draft<'_>) -> A {
        let Draft { sort, name, request, expires_in, .. } = draft;
        let claimed = match name {
            Some(name) => self.invocation.claim_alias(self.identity(Identity::QUESTION, Some(name))),
            None => self.invocation.claim_operation(self.identity(sort, None)),
        };
        let Some(identity) = claimed else { self.invocation.suspend().await };
        let request = match request {
            Ok(request) => request,
            Err(why) => {
                self.invocation.park("question_invalid", format!("the question `{identity}` cannot be asked: {why}"));
                self.invocation.suspend().await
            }
        };
        let read = |reply: &Reply| A::read(Read { reply, request: &request });
        let reply = match self.invocation.history().operation(&identity).map(codec::decode::<Reply>) {
            Some(Ok(reply)) => {
                self.invocation.recall_reply(&identity, &reply);
                reply
            }
            Some(Err(error)) => {
                let reason = format!("what `{identity}` was answered with is not readable: {error}");
                self.invocation.park("journal_damaged", reason);
                self.invocation.suspend().await
            }
            None => {
                let expires_in = expires_in.unwrap_or(self.invocation.surroundings.limits.question_expiry);
                let expires_at = self.invocation.now().after(expires_in);
                let check = |reply: &Reply| read(reply).map(drop);
                self.invocation.ask(identity.clone(), expires_at, || request.to_string(), check).await
            }
        };
        match read(&reply) {
            Ok(answer) => answer,
            Err(why) => {
                self.invocation.park(
                    "outcome_not_decodable",
                    format!("the recorded answer to `{identity}` does not fit this build: {why}; deploy a type that reads it"),
                );
                self.invocation.suspend().await
            }
        }
    }
}

/// A question to a client in a tool's body, for an `A`: a durable operation, asked when it is awaited.
#[must_use = "a question is asked when it is awaited"]
pub struct QuestionOperation<'a, A> {
    state: State<'a, A>,
}

enum State<'a, A> {
    Draft(Option<Draft<'a>>),
    Asked(Operation<'a, A>),
}

struct Draft<'a> {
    cx: &'a DurableContext,
    sort: &'static str,
    name: Option<String>,
    request: Result<Value, String>,
    expires_in: Option<Duration>,
}

impl<'a, A> QuestionOperation<'a, A> {
    fn new(cx: &'a DurableContext, sort: &'static str, request: Result<Value, String>) -> Self {
        Self { state: State::Draft(Some(Draft { cx, sort, name: None, request, expires_in: None })) }
    }

    /// Gives the question a name, under which clients are asked and by which a replay finds it: with it, questions can be added
    /// and removed in front of it between releases. Two questions of one call have not the same name.
    pub fn named(self, name: impl Into<String>) -> Self {
        self.with(|draft| draft.name = Some(name.into()))
    }

    /// How long an answer is waited for, in place of the server's [`Limits::question_expiry`](crate::Limits::question_expiry).
    pub fn expires_in(self, duration: Duration) -> Self {
        self.with(|draft| draft.expires_in = Some(duration))
    }

    fn with(mut self, change: impl FnOnce(&mut Draft<'a>)) -> Self {
        if let State::Draft(Some(draft)) = &mut self.state {
            change(draft);
        }
        self
    }
}

impl<T> QuestionOperation<'_, Elicited<T>> {
    /// Shows this form, a schema as the protocol restricts it, in place of the one that the type makes. What is filled in must
    /// fit both.
    pub fn form(self, schema: Value) -> Self {
        self.with(|draft| {
            if let Ok(request) = &mut draft.request {
                request["params"]["requestedSchema"] = schema;
            }
        })
    }
}

impl<A> fmt::Debug for QuestionOperation<'_, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QuestionOperation").finish_non_exhaustive()
    }
}

impl<'a, A: Answer + 'a> Future for QuestionOperation<'a, A> {
    type Output = A;

    fn poll(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<A> {
        if let State::Draft(draft) = &mut self.state
            && let Some(draft) = draft.take()
        {
            self.state = State::Asked(Operation::new(async move { draft.cx.ask(draft).await }));
        }
        let State::Asked(asked) = &mut self.state else { unreachable!("it has just been asked") };
        Pin::new(asked).poll(task)
    }
}
