//! Calls of tools: made, and cancelled.

use rmcp::RoleServer;
use rmcp::model::{CallToolRequestParams, CallToolResponse, RequestId};
use rmcp::service::{NotificationContext, RequestContext};
use serde_json::Value;

use super::handler::Handler;
use super::invoke::Asked;
use super::outcome::Outcome;
use super::relay::RelayedRequest;
use super::{requester, result};
use crate::engine::Interruption;
use crate::error::{Error, ErrorKind};

impl Handler {
    /// Cancels the call that a request of this connection made.
    pub(super) async fn cancel(
        &self,
        request: &RequestId,
        reason: Option<String>,
        context: &NotificationContext<RoleServer>,
    ) {
        let parts = &self.server.parts;
        let unanswered = self.connection.calls.lock().get(request).copied();
        let invocation = match requester::session(&context.extensions) {
            Some(session) => parts.sessions.cancel(&session, request).await,
            None => match (unanswered, context.extensions.get::<RelayedRequest>()) {
                // Perhaps an earlier owner of the store admitted it.
                (None, Some(relayed)) => {
                    let named = parts.sessions.rows().stream(&relayed.connection, relayed.name()).await;
                    named.map(|named| named.map(|named| named.invocation))
                }
                (invocation, _) => Ok(invocation),
            },
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

    pub(super) async fn call(
        &self,
        request: CallToolRequestParams,
        context: &RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, Error> {
        let parts = &self.server.parts;
        let name = request.name.as_ref();
        let Some(registered) = parts.engine.tools().get(name).filter(|registered| registered.definition.is_tool())
        else {
            return Err(self.unknown_tool(name));
        };
        let arguments = Value::Object(request.arguments.unwrap_or_default());
        let mistakes = parts.contract.mistakes(name, &arguments);
        if !mistakes.is_empty() {
            return Ok(result::mistakes(name, &mistakes).into());
        }
        let asked = Asked { registered, arguments, state: request.request_state, responses: request.input_responses };
        Ok(match self.invoke(asked, context).await? {
            Outcome::Mistake(mistake) => result::mistakes(name, &[mistake.to_string()]).into(),
            Outcome::Read(conclusion) => result::of_conclusion(&conclusion)?.into(),
            Outcome::Answered { answer, id, is_replayed } => result::of_answer(answer, id, is_replayed)?.into(),
            Outcome::InputRequired(required) => required.into(),
            Outcome::Task { task, .. } => CallToolResponse::Task(task),
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
