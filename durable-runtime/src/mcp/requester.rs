//! Who makes a request: what they can do, and how they are reached.

use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;
use rmcp::RoleServer;
use rmcp::model::{ClientCapabilities, Extensions, ProtocolVersion};
use rmcp::service::RequestContext;
use rmcp::transport::streamable_http_server::session::SessionId;

use super::dialogue::{Channel, Client};
use super::handler::Handler;
use super::question;
use super::session::CallStream;
use crate::error::{Error, ErrorKind};
use crate::notice::LogLevel;
use crate::principal::Principal;
use crate::tool::{RegisteredTool, TaskMode};

/// Who makes this request.
pub(super) fn caller(context: &RequestContext<RoleServer>) -> Principal {
    let parts = context.extensions.get::<Parts>();
    parts.and_then(|parts| parts.extensions.get::<Principal>()).cloned().unwrap_or_default()
}

/// The session that a message came in.
pub(super) fn session(extensions: &Extensions) -> Option<SessionId> {
    let session = extensions.get::<Parts>()?.headers.get("mcp-session-id")?;
    session.to_str().ok().map(Into::into)
}

/// What a client says of itself, read once: in the new revision it is JSON in each request.
pub(super) struct Requester {
    /// Whether the request is one of the revision 2026-07-28.
    pub(super) is_new: bool,
    capabilities: Option<ClientCapabilities>,
}

impl Requester {
    pub(super) fn of(context: &RequestContext<RoleServer>) -> Self {
        let version = context.protocol_version();
        let is_new = version.is_some_and(|version| version >= ProtocolVersion::V_2026_07_28);
        Self { is_new, capabilities: context.client_capabilities() }
    }

    /// Refuses a call whose client cannot be asked what the tool asks.
    pub(super) fn require(&self, tool: &RegisteredTool) -> Result<(), Error> {
        let client = self.capabilities.as_ref();
        for capability in &tool.definition.requires {
            let (has, code) = match *capability {
                "elicitation" => (client.is_some_and(|client| client.elicitation.is_some()), "elicitation_required"),
                "sampling" => (client.is_some_and(|client| client.sampling.is_some()), "sampling_required"),
                _ => (client.is_some_and(|client| client.roots.is_some()), "roots_required"),
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

    /// After how long a call goes on as a task, by the server's default if its tool does not say; `None` when it does not.
    pub(super) fn task_after(
        &self,
        tool: &RegisteredTool,
        default: Option<Duration>,
    ) -> Result<Option<Duration>, Error> {
        let can_have_tasks = self.is_new && self.capabilities.as_ref().is_some_and(ClientCapabilities::supports_tasks);
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
            TaskMode::Auto => definition.task_after.or(default),
        })
    }

    /// How they are reached while the call of `handler` is under way.
    pub(super) fn into_client(
        self,
        handler: &Handler,
        context: &RequestContext<RoleServer>,
        stream: Option<CallStream>,
    ) -> Client {
        let progress = context.meta.get_progress_token();
        let (channel, log_level): (_, Box<dyn Fn() -> Option<LogLevel> + Send + Sync>) = match stream {
            _ if self.is_new => {
                let level = context.meta.log_level().map(question::log_level);
                (Channel::Response(context.peer.clone()), Box::new(move || level))
            }
            Some(stream) => {
                let own = stream.clone();
                (Channel::Stream(stream), Box::new(move || Some(own.log_level())))
            }
            None => {
                let connection = Arc::clone(&handler.connection);
                (Channel::Connection(context.peer.clone()), Box::new(move || Some(*connection.log_level.lock())))
            }
        };
        Client { channel, capabilities: self.capabilities, progress, log_level }
    }
}
