//! The handler of one connection: rmcp's requests, answered by the engine.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;
use parking_lot::Mutex;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CancelTaskParams, CancelledNotificationParam, Extensions, GetTaskParams,
    GetTaskResult, Implementation, InputResponses, ListToolsResult, PaginatedRequestParams, ProtocolVersion, RequestId,
    ServerCapabilities, ServerConfig, Tool, UpdateTaskParams,
};
use rmcp::service::{NotificationContext, RequestContext};
use rmcp::transport::streamable_http_server::session::SessionId;
use rmcp::{ErrorData, RoleServer, ServerHandler};
use serde_json::Value;

use super::dialogue::{Channel, Client, Dialogue};
use super::error::protocol_error;
use super::question;
use super::round::Binding;
use super::server::Server;
use super::session::{self, CallStream};
use super::{gate, idempotency, result};
use crate::engine::{Call, Interruption, Refusal, Submitted};
use crate::error::{Error, ErrorKind};
use crate::id::{InvocationId, new_uuid7};
use crate::notice::LogLevel;
use crate::tool::{RegisteredTool, TaskMode};

#[derive(Clone)]
pub(super) struct Handler {
    pub(super) server: Server,
    /// How calls come here: `http` or `stdio`.
    pub(super) origin: &'static str,
    /// The calls over standard input that are not answered yet. Over HTTP it is the session that knows them.
    calls: Arc<Mutex<HashMap<RequestId, InvocationId>>>,
    /// The least severe messages that the client over standard input wants.
    log_level: Arc<Mutex<LogLevel>>,
}

impl Handler {
    pub(super) fn new(server: Server, origin: &'static str) -> Self {
        Self { server, origin, calls: Arc::default(), log_level: Arc::new(Mutex::new(LogLevel::Info)) }
    }
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

impl ServerHandler for Handler {
    fn get_info(&self) -> ServerConfig {
        let parts = &self.server.parts;
        #[expect(deprecated, reason = "deprecated in the protocol, and clients of 2025-11-25 have it")]
        let capabilities = ServerCapabilities::builder().enable_tools().enable_logging().enable_tasks().build();
        let config = ServerConfig::new(capabilities)
            .with_server_info(Implementation::new(parts.name.clone(), parts.version.clone()));
        match &parts.instructions {
            Some(instructions) => config.with_instructions(instructions.clone()),
            None => config,
        }
    }

    async fn list_tools(
        &self,
        _page: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(self.server.parts.contract.tools.clone()))
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.server.parts.contract.tools.iter().find(|tool| tool.name == name).cloned()
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        self.call(request, &context).await.map_err(|error| protocol_error(&error))
    }

    #[expect(deprecated, reason = "deprecated in the protocol, and clients of 2025-11-25 have it")]
    async fn set_level(
        &self,
        request: rmcp::model::SetLevelRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        let level = question::log_level(request.level);
        match session_of(&context.extensions) {
            Some(session) => self.server.parts.sessions.set_log_level(&session, level),
            None => *self.log_level.lock() = level,
        }
        Ok(())
    }

    async fn update_task(
        &self,
        request: UpdateTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        let parts = &self.server.parts;
        let principal = gate::caller(&context);
        let answers = question::replies(request.input_responses);
        let answered = parts.tasks.answer(&parts.engine, &request.task_id, principal.as_str(), answers).await;
        answered.map_err(|error| protocol_error(&error))
    }

    async fn on_cancelled(&self, notification: CancelledNotificationParam, context: NotificationContext<RoleServer>) {
        if let Some(request) = &notification.request_id {
            self.cancel(request, notification.reason, &context).await;
        }
    }

    async fn cancel_task(
        &self,
        request: CancelTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        let parts = &self.server.parts;
        let principal = gate::caller(&context);
        let cancelled = parts.tasks.cancel(&parts.engine, &request.task_id, principal.as_str()).await;
        cancelled.map_err(|error| protocol_error(&error))
    }

    async fn get_task(
        &self,
        request: GetTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetTaskResult, ErrorData> {
        let parts = &self.server.parts;
        let principal = gate::caller(&context);
        parts
            .tasks
            .get(&parts.engine, &request.task_id, principal.as_str(), context.client_capabilities().as_ref())
            .await
            .map_err(|error| protocol_error(&error))
    }
}

/// Whether a request is one of the revision 2026-07-28.
fn is_new(context: &RequestContext<RoleServer>) -> bool {
    context.protocol_version().is_some_and(|version| version >= ProtocolVersion::V_2026_07_28)
}

/// The session that a message came in.
fn session_of(extensions: &Extensions) -> Option<SessionId> {
    let session = extensions.get::<Parts>()?.headers.get("mcp-session-id")?;
    session.to_str().ok().map(Into::into)
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

impl Handler {
    /// Cancels the call that a request of this connection made.
    async fn cancel(&self, request: &RequestId, reason: Option<String>, context: &NotificationContext<RoleServer>) {
        let parts = &self.server.parts;
        let invocation = match session_of(&context.extensions) {
            Some(session) => parts.sessions.cancel(&session, request).await,
            None => Ok(self.calls.lock().get(request).copied()),
        };
        let cancelled = match invocation {
            Ok(Some(invocation)) => {
                let reason = reason.map_or_else(String::new, |reason| format!(": {reason}"));
                let cancelled = Interruption::Cancelled { reason: format!("by its client{reason}") };
                parts.engine.interrupt(invocation, cancelled).await.map(drop)
            }
            // It is no call of a durable tool, or has been answered already.
            Ok(None) => Ok(()),
            Err(error) => Err(error),
        };
        if let Err(error) = cancelled {
            tracing::warn!(%error, %request, "a call could not be cancelled");
        }
    }

    async fn call(
        &self,
        request: CallToolRequestParams,
        context: &RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, Error> {
        let parts = &self.server.parts;
        let name = request.name.as_ref();
        let Some(registered) = parts.engine.tools().get(name) else {
            return Err(self.unknown_tool(name));
        };
        let principal = gate::caller(context);
        let arguments = Value::Object(request.arguments.unwrap_or_default());
        let mistakes = parts.contract.mistakes(name, &arguments);
        if !mistakes.is_empty() {
            return Ok(result::mistakes(name, &mistakes).into());
        }
        if registered.definition.read_only {
            return match parts.engine.read(registered, arguments, principal).await {
                Ok(conclusion) => Ok(result::result(&conclusion).into()),
                Err(Refusal::Arguments(mistake)) => Ok(result::mistakes(name, &[mistake.to_string()]).into()),
                Err(Refusal::Other(error)) => Err(error),
            };
        }
        require(registered, context)?;
        let task_after = self.task_after(registered, context)?;
        let now = parts.engine.surroundings().clock.now();
        let stream = context.extensions.get::<CallStream>().map(|stream| (stream, new_uuid7(now)));
        let binding = Binding::new(principal.as_str(), name, &arguments);
        let progress = context.meta.get_progress_token();
        let key = match registered.definition.idempotency {
            Some(_) => None,
            None => idempotency::key(context)?,
        };
        let is_keyed = key.is_some() || registered.definition.idempotency.is_some();
        let call = Call {
            tool: name.to_owned(),
            arguments,
            principal: principal.as_str().to_owned(),
            origin: self.origin,
            idempotency_key: key,
            name: stream.as_ref().map(|(stream, name)| {
                session::stream_name(&stream.session, *name, &context.id, progress.as_ref(), now)
            }),
        };
        let mut submitted = match self
            .come_back(request.request_state.as_deref(), request.input_responses, &binding)
            .await?
        {
            Some(submitted) => submitted,
            None => match parts.engine.submit(call).await {
                Ok(submitted) => submitted,
                Err(Refusal::Arguments(mistake)) => return Ok(result::mistakes(name, &[mistake.to_string()]).into()),
                Err(Refusal::Other(error)) => return Err(error),
            },
        };
        let (id, is_replayed) = (submitted.id, submitted.is_replayed());
        let _unanswered = (self.origin == "stdio").then(|| {
            self.calls.lock().insert(context.id.clone(), id);
            Unanswered { handler: self, request: &context.id }
        });
        let mut is_kept = false;
        if let Some((stream, name)) = &stream
            && submitted.admitted().await
        {
            stream.prime(*name);
            is_kept = true;
        }
        let is_admitted = task_after.is_some() && submitted.admitted().await;
        let becomes_task = async {
            let Some(after) = task_after.filter(|_| is_admitted) else { return std::future::pending().await };
            let clock = &parts.engine.surroundings().clock;
            clock.sleep_until(clock.now().after(after)).await;
        };
        if task_after.is_some_and(|after| after.is_zero()) && is_admitted {
            return Ok(CallToolResponse::Task(parts.tasks.created(id, principal.as_str())));
        }
        let is_named = is_keyed || request.request_state.is_some();
        let gone = async {
            if self.origin == "http" && is_new(context) {
                context.ct.cancelled().await;
            } else {
                std::future::pending::<()>().await;
            }
        };
        let client = self.client(context, stream.as_ref().map(|(stream, _)| (*stream).clone()));
        if let Some(mut dialogue) = Dialogue::begin(&parts.engine, &mut submitted, name, client) {
            tokio::select! {
                biased;
                () = submitted.ended() => {}
                () = becomes_task => {
                    return Ok(CallToolResponse::Task(parts.tasks.created(id, principal.as_str())));
                }
                () = gone => {
                    drop((dialogue, submitted));
                    return Err(self.client_is_gone(registered, id, is_named).await);
                }
                required = dialogue.hold() => {
                    let now = parts.engine.surroundings().clock.now();
                    return Ok(parts.rounds.input_required(id, required, now, &binding).into());
                }
            }
            dialogue.flush().await;
        }
        let result = result::of_answer(submitted.answer().await, id, is_replayed);
        if let (Some((stream, _)), Err(error)) = (&stream, &result)
            && is_kept
            && error.kind() == ErrorKind::Retry
        {
            // Not the end of the call: its client comes back to the stream for the result.
            stream.outlet.break_off(parts.engine.surroundings().clock.now());
        }
        result.map(CallToolResponse::from)
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

    fn unknown_tool(&self, name: &str) -> Error {
        let known: Vec<&str> = self.server.parts.contract.tools.iter().map(|tool| tool.name.as_ref()).collect();
        Error::new(
            ErrorKind::FixCall,
            "unknown_tool",
            format!("there is no tool `{name}`; the tools of this server are: {}", known.join(", ")),
        )
    }
}
