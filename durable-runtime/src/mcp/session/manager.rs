//! What rmcp asks of sessions: to begin them, to pass messages on, and to find them again.

use async_trait::async_trait;
use futures_core::Stream;
use rmcp::model::{
    ClientJsonRpcMessage, ClientNotification, ClientRequest, GetExtensions, JsonRpcMessage, ServerJsonRpcMessage,
};
use rmcp::transport::streamable_http_server::session::{
    RestoreOutcome, ServerSseMessage, SessionId, SessionManager, SessionRestoreMarker, SessionState, SessionStore,
    SessionStoreError,
};
use uuid::Uuid;

use super::event_id::{EventId, Position};
use super::live::{Live, SessionTransport};
use super::stream::{Outlet, Reader};
use super::{Sessions, result, unknown};
use crate::error::{Error, ErrorKind};
use crate::principal::Principal;

/// Who sends a message.
fn caller(message: &ClientJsonRpcMessage) -> Principal {
    let JsonRpcMessage::Request(request) = message else { return Principal::default() };
    let parts = request.request.extensions().get::<http::request::Parts>();
    parts.and_then(|parts| parts.extensions.get::<Principal>()).cloned().unwrap_or_default()
}

impl SessionManager for Sessions {
    type Error = Error;
    type Transport = SessionTransport;

    async fn create_session(&self) -> Result<(SessionId, SessionTransport), Error> {
        let id: SessionId = Uuid::new_v4().to_string().into();
        let transport = self.add(id.clone(), Vec::new());
        Ok((id, transport))
    }

    async fn initialize_session(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<ServerJsonRpcMessage, Error> {
        let live = self.live(id)?;
        let principal = caller(&message);
        // The gate lets only this one come back, also to a session that is restored.
        live.principal.get_or_init(|| principal.as_str().to_owned());
        if let JsonRpcMessage::Request(request) = &message
            && let ClientRequest::InitializeRequest(initialize) = &request.request
        {
            live.capabilities.get_or_init(|| initialize.params.capabilities.clone());
        }
        let begun = match &message {
            JsonRpcMessage::Request(request) => match &request.request {
                ClientRequest::InitializeRequest(initialize)
                    if initialize.extensions().get::<SessionRestoreMarker>().is_none() =>
                {
                    Some(serde_json::to_string(&initialize.params).map_err(|error| {
                        Error::new(
                            ErrorKind::FixCall,
                            "session_invalid",
                            format!("the client's `initialize` is not JSON: {error}"),
                        )
                    })?)
                }
                _ => None,
            },
            _ => None,
        };
        let answer = live.initialize(message).await.ok_or_else(|| unknown(id))?;
        // The id is promised with this answer.
        if let Some(initialize) = begun
            && matches!(answer, JsonRpcMessage::Response(_))
        {
            self.0.rows.begin(id, initialize, principal.as_str().to_owned()).await?;
        }
        Ok(answer)
    }

    async fn has_session(&self, id: &SessionId) -> Result<bool, Error> {
        let live = self.0.live.read().get(id).cloned();
        Ok(match live {
            Some(live) if !live.is_over() => {
                self.touch(&live);
                true
            }
            _ => false,
        })
    }

    /// The session's handler has ended, or the client ends the session; then [`SessionStore::delete`] follows.
    async fn close_session(&self, id: &SessionId) -> Result<(), Error> {
        let mut live = self.0.live.write();
        if live.get(id).is_some_and(|live| live.is_over()) {
            live.remove(id);
        }
        Ok(())
    }

    async fn create_stream(
        &self,
        id: &SessionId,
        mut message: ClientJsonRpcMessage,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Error> {
        let live = self.live(id)?;
        let Some(outlet) = live.open_stream(&mut message) else {
            let outlet = Outlet::new();
            if let JsonRpcMessage::Request(request) = message {
                let error = Error::new(
                    ErrorKind::FixCall,
                    "request_id_used",
                    format!(
                        "a request with the id `{}` is not answered yet; give each request an id of its own",
                        request.id
                    ),
                );
                outlet.end(result::response(Err(error), request.id), self.0.rows.now());
            }
            return Ok(outlet.read(0));
        };
        let reader = outlet.read(0);
        if live.accept(message).await { Ok(reader) } else { Err(unknown(id)) }
    }

    async fn accept_message(&self, id: &SessionId, message: ClientJsonRpcMessage) -> Result<(), Error> {
        let live = self.live(id)?;
        if let JsonRpcMessage::Notification(notification) = &message
            && let ClientNotification::CancelledNotification(cancelled) = &notification.notification
            && let Some(request) = &cancelled.params.request_id
        {
            live.cancelled(request);
        }
        if self.take_answer(&live, &message).await? {
            return Ok(());
        }
        if live.accept(message).await { Ok(()) } else { Err(unknown(id)) }
    }

    async fn create_standalone_stream(
        &self,
        id: &SessionId,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Error> {
        Ok(standalone(&*self.live(id)?))
    }

    async fn resume(
        &self,
        id: &SessionId,
        last_event_id: String,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Error> {
        let live = self.live(id)?;
        let Ok(last) = last_event_id.parse::<EventId>() else {
            // The event was not on the stream of a call.
            return Ok(standalone(&live));
        };
        if last.position == Position::End {
            let outlet = Outlet::new();
            outlet.break_off(self.0.rows.now());
            return Ok(outlet.read(0));
        }
        let from = last.position.next();
        let outlet = match live.stream(last.stream) {
            Some(outlet) if !outlet.is_broken_off() => outlet,
            _ => self.take_up(&live, last.stream, from).await?,
        };
        Ok(outlet.read(from))
    }

    async fn restore_session(&self, id: SessionId) -> Result<RestoreOutcome<SessionTransport>, Error> {
        if self.has_session(&id).await? {
            return Ok(RestoreOutcome::AlreadyPresent);
        }
        let wishes = self.0.rows.wishes(&id).await?;
        Ok(RestoreOutcome::Restored(self.add(id, wishes)))
    }
}

/// The stream of what no request asked for, from where the connection before this one ended: nothing on it is told twice. Two
/// connections of one client that took it from each other would do so for ever, so the second one stays silent.
fn standalone(live: &Live) -> Reader {
    if live.standalone.has_reader() { Outlet::new().read(0) } else { live.standalone.read_on() }
}

#[async_trait]
impl SessionStore for Sessions {
    async fn load(&self, id: &str) -> Result<Option<SessionState>, SessionStoreError> {
        let Some(session) = self.0.rows.session(id).await? else { return Ok(None) };
        if session.initialize.is_empty() {
            // The connection of a relay, which nobody comes back to over HTTP.
            return Ok(None);
        }
        Ok(Some(SessionState::new(serde_json::from_str(&session.initialize)?)))
    }

    /// The session is in the store since its first answer.
    async fn store(&self, _id: &str, _state: &SessionState) -> Result<(), SessionStoreError> {
        Ok(())
    }

    async fn delete(&self, id: &str) -> Result<(), SessionStoreError> {
        let live = self.0.live.write().remove(id);
        if let Some(live) = live {
            live.close();
        }
        Ok(self.0.rows.delete(id).await?)
    }
}
