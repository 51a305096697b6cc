//! Requests that are answered by an author's function: calls of tools, gets of prompts, reads of resources. Of one that may have
//! effects an invocation is made, or found.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use rmcp::RoleServer;
use rmcp::model::{InputResponses, ProtocolVersion, RequestId};
use rmcp::service::RequestContext;
use serde_json::Value;

use super::dialogue::{Channel, Client, Dialogue};
use super::handler::Handler;
use super::outcome::Outcome;
use super::relay::RelayedRequest;
use super::round::Binding;
use super::session::{self, CallStream};
use super::{gate, idempotency, question};
use crate::engine::{Answer, Call, Interruption, KeySource, Refusal, Submitted};
use crate::error::{Error, ErrorKind};
use crate::id::{InvocationId, new_uuid7};
use crate::notice::LogLevel;
use crate::tool::{RegisteredTool, TaskMode};

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
        self.handler.calls.lock().remove(self.request);
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
        let outcome = self.outcome(asked, context).await?;
        self.follow(&outcome, registered, context);
        Ok(outcome)
    }

    async fn outcome(&self, asked: Asked<'_>, context: &RequestContext<RoleServer>) -> Result<Outcome, Error> {
        let parts = &self.server.parts;
        let Asked { registered, arguments, state, responses } = asked;
        let definition = &registered.definition;
        let principal = gate::caller(context);
        if definition.read_only {
            return match parts.engine.read(registered, arguments, principal).await {
                Ok(conclusion) => Ok(Outcome::Read(conclusion)),
                Err(Refusal::Arguments(mistake)) => Ok(Outcome::Mistake(mistake)),
                Err(Refusal::Other(error)) => Err(error),
            };
        }
        require(registered, context)?;
        let task_after = if definition.is_tool() { self.task_after(registered, context)? } else { None };
        let now = parts.engine.surroundings().clock.now();
        let stream = context.extensions.get::<CallStream>();
        // Only calls of tools are answered on a stream that can be come back to.
        let name = stream.filter(|_| definition.is_tool()).map(|_| new_uuid7(now));
        let relayed = context.extensions.get::<RelayedRequest>();
        let binding = Binding::new(principal.as_str(), definition.name, &arguments);
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
            None => self.come_back(state.as_deref(), responses, &binding).await?,
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
            self.calls.lock().insert(context.id.clone(), id);
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
            if self.origin == "http" && is_new(context) {
                context.ct.cancelled().await;
            } else {
                std::future::pending::<()>().await;
            }
        };
        let client = self.client(context, stream.cloned());
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
                    return Ok(Outcome::InputRequired(parts.rounds.input_required(id, required, now, &binding)));
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
        state: Option<&str>,
        responses: Option<InputResponses>,
        binding: &Binding,
    ) -> Result<Option<Submitted>, Error> {
        let Some(state) = state else { return Ok(None) };
        let parts = &self.server.parts;
        let invocation = parts.rounds.open(state, binding)?;
        if let Some(responses) = responses.filter(|responses| !responses.is_empty()) {
            question::check(&parts.engine.answer(invocation, question::replies(responses)).await?)?;
        }
        let submitted = parts.engine.follow(invocation).await?;
        submitted.map(Some).ok_or_else(|| {
            Error::new(
                ErrorKind::FixCall,
                "request_state_expired",
                "the call that `requestState` names is no longer kept; make the call anew, without `requestState`",
            )
        })
    }

    /// Who makes a call, and how to reach them.
    fn client(&self, context: &RequestContext<RoleServer>, stream: Option<CallStream>) -> Client {
        let is_new = is_new(context);
        let capabilities = context.client_capabilities();
        let progress = context.meta.get_progress_token();
        let (channel, log_level): (_, Box<dyn Fn() -> Option<LogLevel> + Send + Sync>) = match stream {
            _ if is_new => {
                let level = context.meta.log_level().map(question::log_level);
                (Channel::Response(context.peer.clone()), Box::new(move || level))
            }
            Some(stream) => {
                let own = stream.clone();
                (Channel::Stream(stream), Box::new(move || Some(own.log_level())))
            }
            None => {
                let level = Arc::clone(&self.log_level);
                (Channel::Connection(context.peer.clone()), Box::new(move || Some(*level.lock())))
            }
        };
        Client { channel, capabilities, progress, log_level }
    }

    /// After how long a call goes on as a task; `None` when it does not.
    fn task_after(
        &self,
        tool: &RegisteredTool,
        context: &RequestContext<RoleServer>,
    ) -> Result<Option<Duration>, Error> {
        let is_new = is_new(context);
        let can_have_tasks = is_new && context.client_capabilities().is_some_and(|client| client.supports_tasks());
        let definition = &tool.definition;
        Ok(match definition.task {
            TaskMode::Required if !can_have_tasks => {
                return Err(Error::new(
                    ErrorKind::FixCall,
                    "tasks_required",
                    format!(
                        "`{}` is called as a task only; declare the extension `io.modelcontextprotocol/tasks` in the \
                         client's capabilities",
                        definition.name
                    ),
                ));
            }
            _ if !can_have_tasks => None,
            TaskMode::Always | TaskMode::Required => Some(Duration::ZERO),
            TaskMode::Auto => definition.task_after.or(self.server.parts.task_after),
        })
    }
}

/// Refuses a call whose client cannot be asked what the tool asks.
fn require(tool: &RegisteredTool, context: &RequestContext<RoleServer>) -> Result<(), Error> {
    let client = context.client_capabilities();
    for capability in &tool.definition.requires {
        let (has, code) = match *capability {
            "elicitation" => {
                (client.as_ref().is_some_and(|client| client.elicitation.is_some()), "elicitation_required")
            }
            "sampling" => (client.as_ref().is_some_and(|client| client.sampling.is_some()), "sampling_required"),
            _ => (client.as_ref().is_some_and(|client| client.roots.is_some()), "roots_required"),
        };
        if !has {
            let message = format!(
                "`{}` asks its client for `{capability}`; declare it in the client's capabilities",
                tool.definition.name
            );
            return Err(Error::new(ErrorKind::FixCall, code, message));
        }
    }
    Ok(())
}

/// Whether a request is one of the revision 2026-07-28.
fn is_new(context: &RequestContext<RoleServer>) -> bool {
    context.protocol_version().is_some_and(|version| version >= ProtocolVersion::V_2026_07_28)
}
