//! Requests that are answered by an author's function: calls of tools, gets of prompts, reads of resources. Of one that may have
//! effects an invocation is made, or found.

use std::pin::pin;
use std::sync::Arc;

use rmcp::RoleServer;
use rmcp::model::{InputResponses, RequestId};
use rmcp::service::RequestContext;
use serde_json::Value;

use super::dialogue::Dialogue;
use super::handler::Handler;
use super::outcome::Outcome;
use super::relay::RelayedRequest;
use super::requester::Requester;
use super::round::Binding;
use super::session::{self, CallStream};
use super::{idempotency, question, requester};
use crate::engine::{Answer, Call, Interruption, KeySource, Refusal, Submitted};
use crate::error::{Error, ErrorKind};
use crate::id::{InvocationId, new_uuid7};
use crate::tool::RegisteredTool;

/// What a request asks for.
pub(super) struct Asked<'a> {
    pub(super) registered: &'a Arc<RegisteredTool>,
    pub(super) arguments: Value,
    /// What came with the questions of the same request before.
    pub(super) state: Option<String>,
    /// The answers to them.
    pub(super) responses: Option<InputResponses>,
}

/// A call that is not answered yet, for as long as it is not dropped.
struct Unanswered<'a> {
    handler: &'a Handler,
    request: &'a RequestId,
}

impl Drop for Unanswered<'_> {
    fn drop(&mut self) {
        self.handler.connection.calls.lock().remove(self.request);
    }
}

impl Handler {
    /// Runs the function, or waits with the invocation that the request names.
    pub(super) async fn invoke(
        &self,
        asked: Asked<'_>,
        context: &RequestContext<RoleServer>,
    ) -> Result<Outcome, Error> {
        let registered = asked.registered;
        if registered.definition.read_only {
            let principal = requester::caller(context);
            return match self.server.parts.engine.read(registered, asked.arguments, principal).await {
                Ok(conclusion) => Ok(Outcome::Read(conclusion)),
                Err(Refusal::Arguments(mistake)) => Ok(Outcome::Mistake(mistake)),
                Err(Refusal::Other(error)) => Err(error),
            };
        }
        // In a box, so that the future of a call that only reads stays small: rmcp moves it about.
        let outcome = Box::pin(self.submit(asked, context)).await?;
        self.follow(&outcome, registered, context);
        Ok(outcome)
    }

    async fn submit(&self, asked: Asked<'_>, context: &RequestContext<RoleServer>) -> Result<Outcome, Error> {
        let parts = &self.server.parts;
        let Asked { registered, arguments, state, responses } = asked;
        let definition = &registered.definition;
        let principal = requester::caller(context);
        let requester = Requester::of(context);
        let is_new = requester.is_new;
        requester.require(registered)?;
        let task_after = if definition.is_tool() { requester.task_after(registered, parts.task_after)? } else { None };
        let now = parts.engine.surroundings().clock.now();
        let stream = context.extensions.get::<CallStream>();
        // Only calls of tools are answered on a stream that can be come back to.
        let name = stream.filter(|_| definition.is_tool()).map(|_| new_uuid7(now));
        let relayed = context.extensions.get::<RelayedRequest>();
        // Most calls ask nothing, and have nothing that is bound to their arguments.
        let bound = arguments.clone();
        let binding = || Binding::new(principal.as_str(), definition.name, &bound);
        let progress = context.meta.get_progress_token();
        let is_asked_for_key = definition.idempotency.is_none_or(KeySource::yields);
        let key = if is_asked_for_key { idempotency::key(context)? } else { None };
        let is_named = key.is_some() || definition.idempotency.is_some() || state.is_some();
        let call = Call {
            tool: definition.name.to_owned(),
            arguments,
            principal: principal.as_str().to_owned(),
            origin: self.origin,
            idempotency_key: key,
            name: match relayed {
                Some(relayed) => {
                    let (connection, name) = (&relayed.connection, relayed.name());
                    Some(session::stream_name(connection, name, &context.id, None, now).for_new_only())
                }
                None => stream.zip(name).map(|(stream, name)| {
                    session::stream_name(&stream.session, name, &context.id, progress.as_ref(), now)
                }),
            },
        };
        // Answers that came with the call itself, before anything was asked.
        let mut early = responses.clone().filter(|_| state.is_none()).unwrap_or_default();
        let before = match relayed.filter(|relayed| relayed.is_again()) {
            Some(relayed) => self.admitted_before(relayed).await?,
            None => None,
        };
        let is_lost_answer = before.is_some();
        let before = match before {
            Some(submitted) => Some(submitted),
            None => match &state {
                Some(state) => Some(self.come_back(state, responses, &binding()).await?),
                None => None,
            },
        };
        let mut submitted = match before {
            Some(submitted) => submitted,
            None => match parts.engine.submit(call).await {
                Ok(submitted) => submitted,
                Err(Refusal::Arguments(mistake)) => return Ok(Outcome::Mistake(mistake)),
                Err(Refusal::Other(error)) => return Err(error),
            },
        };
        // What an earlier owner of the store had to answer was never given.
        let (id, is_replayed) = (submitted.id, submitted.is_replayed() && !is_lost_answer);
        let _unanswered = (self.origin == "stdio").then(|| {
            self.connection.calls.lock().insert(context.id.clone(), id);
            Unanswered { handler: self, request: &context.id }
        });
        let mut kept = None;
        if let Some((stream, name)) = stream.zip(name)
            && submitted.admitted().await
        {
            stream.prime(name);
            kept = Some(stream);
        }
        let is_admitted = task_after.is_some() && submitted.admitted().await;
        let task_after = task_after.filter(|_| is_admitted);
        let created = || Outcome::Task { task: parts.tasks.created(id, principal.as_str()), id };
        if task_after.is_some_and(|after| after.is_zero()) {
            return Ok(created());
        }
        let becomes_task = async {
            let Some(after) = task_after else { return std::future::pending().await };
            let clock = &parts.engine.surroundings().clock;
            clock.sleep_until(clock.now().after(after)).await;
        };
        let gone = async {
            if self.origin == "http" && is_new {
                context.ct.cancelled().await;
            } else {
                std::future::pending::<()>().await;
            }
        };
        let client = requester.into_client(self, context, stream.cloned());
        if let Some(mut dialogue) = Dialogue::begin(&parts.engine, &mut submitted, definition.public_name(), client) {
            let (mut becomes_task, mut gone) = (pin!(becomes_task), pin!(gone));
            loop {
                let required = tokio::select! {
                    biased;
                    () = submitted.ended() => break,
                    () = &mut becomes_task => return Ok(created()),
                    () = &mut gone => {
                        drop((dialogue, submitted));
                        return Err(self.client_is_gone(registered, id, is_named).await);
                    }
                    required = dialogue.hold() => required,
                };
                let (known, left): (InputResponses, InputResponses) =
                    early.into_iter().partition(|(key, _)| required.requests.contains_key(key));
                early = left;
                if known.is_empty() {
                    let now = parts.engine.surroundings().clock.now();
                    return Ok(Outcome::InputRequired(parts.rounds.input_required(id, required, now, &binding())));
                }
                question::check(&parts.engine.answer(id, question::replies(known)).await?)?;
            }
            dialogue.flush().await;
        }
        let answer = submitted.answer().await;
        if let (Some(stream), Answer::Deferred(_) | Answer::NotAdmitted(_)) = (kept, &answer) {
            // Not the end of the call: its client comes back to the stream for the result.
            stream.outlet.break_off(parts.engine.surroundings().clock.now());
        }
        Ok(Outcome::Answered { answer, id, is_replayed })
    }

    /// The response stream of a call was dropped, and there is no coming back to it. Unless its tool says that it goes on, it is
    /// suspended if its client can name it again, and else cancelled.
    async fn client_is_gone(&self, tool: &RegisteredTool, id: InvocationId, is_named: bool) -> Error {
        let engine = &self.server.parts.engine;
        let done = if engine.is_stopping() || tool.definition.detach {
            Ok(())
        } else if is_named {
            engine.suspend(id).await
        } else {
            let cancelled = Interruption::Cancelled { reason: "its client has gone".into() };
            engine.interrupt(id, cancelled).await.map(drop)
        };
        if let Err(error) = done {
            tracing::warn!(invocation = %id, %error, "a call whose client has gone goes on");
        }
        Error::new(ErrorKind::Retry, "invocation_deferred", format!("the client of invocation {id} has gone"))
    }

    /// The invocation of a request that an earlier owner of the store admitted, and had not answered.
    async fn admitted_before(&self, relayed: &RelayedRequest) -> Result<Option<Submitted>, Error> {
        let parts = &self.server.parts;
        let Some(named) = parts.sessions.rows().stream(&relayed.connection, relayed.name()).await? else {
            return Ok(None);
        };
        let submitted = parts.engine.follow(named.invocation).await?;
        submitted.map(Some).ok_or_else(|| session::invocation_missing(named.invocation))
    }

    /// The invocation of a call that is made again with answers: it has taken them.
    async fn come_back(
        &self,
        state: &str,
        responses: Option<InputResponses>,
        binding: &Binding,
    ) -> Result<Submitted, Error> {
        let parts = &self.server.parts;
        let invocation = parts.rounds.open(state, binding)?;
        if let Some(responses) = responses.filter(|responses| !responses.is_empty()) {
            question::check(&parts.engine.answer(invocation, question::replies(responses)).await?)?;
        }
        parts.engine.follow(invocation).await?.ok_or_else(|| {
            Error::new(
                ErrorKind::FixCall,
                "request_state_expired",
                "the call that `requestState` names is no longer kept; make the call anew, without `requestState`",
            )
        })
    }
}
