//! Sessions of the revision 2025-11-25: they outlive connections and processes.
//!
//! The stream of a call has a name that is durable together with the call's admission. A client that lost its connection
//! comes back with the id of the last event it saw; if the process is another one by then, what it gets is the response that
//! the invocation ended with.

mod event_id;
mod live;
mod row;
mod stream;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_core::Stream;
use parking_lot::RwLock;
use rmcp::model::{
    ClientJsonRpcMessage, ClientNotification, ClientRequest, GetExtensions, JsonRpcMessage, ProgressToken, RequestId,
    ServerJsonRpcMessage,
};
use rmcp::transport::streamable_http_server::session::{
    RestoreOutcome, ServerSseMessage, SessionId, SessionManager, SessionRestoreMarker, SessionState, SessionStore,
    SessionStoreError,
};
use uuid::Uuid;

use self::event_id::{EventId, Position};
use self::live::{Live, SessionTransport, asked_under};
use self::row::{NamedStream, Rows};
use self::stream::{Outlet, Reader};
use super::dialogue::{Channel, Client, Dialogue};
use super::{question, result};
use crate::clock::Timestamp;
use crate::engine::{Engine, Submitted};
use crate::error::{Error, ErrorKind};
use crate::id::InvocationId;
use crate::notice::LogLevel;
use crate::principal::Principal;

pub(super) use self::live::CallStream;
pub(super) use self::row::stream_name;

/// After how long without any use a session is put out of memory. It stays in the store.
const IDLE: Duration = Duration::from_secs(10 * 60);
/// How often sessions are looked through.
const SWEEP: Duration = Duration::from_secs(60);

/// The sessions of a server.
#[derive(Clone)]
pub(super) struct Sessions(Arc<Inner>);

struct Inner {
    engine: Arc<Engine>,
    rows: Rows,
    live: RwLock<HashMap<SessionId, Arc<Live>>>,
}

impl Sessions {
    pub(super) fn new(engine: Arc<Engine>, time_to_live: Duration) -> Self {
        let rows = Rows { surroundings: Arc::clone(engine.surroundings()), time_to_live };
        Self(Arc::new(Inner { engine, rows, live: RwLock::default() }))
    }

    /// Deletes sessions whose time is over and puts idle ones out of memory, until the server stops.
    pub(super) fn watch(&self) {
        let sessions = self.clone();
        self.0.engine.in_background(async move {
            loop {
                tokio::time::sleep(SWEEP).await;
                sessions.put_out_idle();
                if let Err(error) = sessions.0.rows.sweep().await {
                    tracing::warn!(%error, "old sessions could not be deleted");
                }
            }
        });
    }

    fn put_out_idle(&self) {
        let now = self.0.rows.now().as_millis();
        let idle = u64::try_from(IDLE.as_millis()).expect("ten minutes");
        let since = Timestamp::from_millis(now.saturating_sub(idle));
        self.0.live.write().retain(|_, live| {
            let is_idle = live.is_idle_since(since);
            if is_idle {
                live.close();
            }
            !is_idle
        });
    }

    /// The rows of sessions and of what is kept like them.
    pub(super) fn rows(&self) -> &Rows {
        &self.0.rows
    }

    fn live(&self, id: &SessionId) -> Result<Arc<Live>, Error> {
        self.0.live.read().get(id).cloned().ok_or_else(|| unknown(id))
    }

    /// Whether a session is this caller's; one that does not exist is.
    pub(super) async fn belongs_to(&self, id: &str, principal: &str) -> Result<bool, Error> {
        let live = self.0.live.read().get(id).cloned();
        if let Some(owner) = live.as_ref().and_then(|live| live.principal.get()) {
            return Ok(owner == principal);
        }
        Ok(self.0.rows.session(id).await?.is_none_or(|session| session.principal == principal))
    }

    fn add(&self, id: SessionId) -> SessionTransport {
        let (live, transport) = Live::new(id.clone(), Arc::clone(&self.0.rows.surroundings.clock));
        self.0.live.write().insert(id, live);
        transport
    }

    /// The invocation of a request of this session that is to be cancelled, and its stream no longer waited for.
    pub(super) async fn cancel(&self, id: &SessionId, request: &RequestId) -> Result<Option<InvocationId>, Error> {
        if let Ok(live) = self.live(id) {
            live.cancelled(request);
        }
        self.0.rows.invocation(id, request).await
    }

    /// Writes down now and then that the session is in use.
    fn touch(&self, live: &Arc<Live>) {
        let part = u64::try_from(self.0.rows.time_to_live.as_millis() / 16).unwrap_or(u64::MAX);
        if live.touch(part) {
            let (sessions, live) = (self.clone(), Arc::clone(live));
            self.0.engine.in_background(async move {
                if let Err(error) = sessions.0.rows.touch(&live.id).await {
                    tracing::warn!(%error, session = &*live.id, "the use of a session could not be written down");
                }
                live.touched();
            });
        }
    }

    /// A stream that is not in memory: of an earlier process, or one that was broken off.
    async fn take_up(&self, live: &Arc<Live>, name: Uuid, from: u64) -> Result<Arc<Outlet>, Error> {
        let Some(stream) = self.0.rows.stream(&live.id, name).await? else {
            return Err(Error::new(
                ErrorKind::FixCall,
                "event_unknown",
                format!("session {} has no such event", live.id),
            ));
        };
        let outlet = Outlet::resumed(name, from);
        let kept = live.keep_stream(name, Arc::clone(&outlet));
        if Arc::ptr_eq(&kept, &outlet) {
            self.answer(stream, CallStream::new(live, outlet));
        }
        Ok(kept)
    }

    /// Ends a stream with the response of its invocation, when that is there.
    fn answer(&self, named: NamedStream, stream: CallStream) {
        let sessions = self.clone();
        self.0.engine.in_background(async move {
            let outlet = Arc::clone(&stream.outlet);
            let now = || sessions.0.rows.now();
            let (is_replayed, answer) = match sessions.0.engine.follow(named.invocation).await {
                Ok(Some(mut submitted)) => {
                    sessions.converse(&mut submitted, stream, named.progress).await;
                    (submitted.is_replayed(), Ok(submitted.answer().await))
                }
                Ok(None) => (false, Err(invocation_missing(named.invocation))),
                Err(error) => {
                    tracing::warn!(%error, invocation = %named.invocation, "a stream cannot be taken up");
                    return outlet.break_off(now());
                }
            };
            let result = answer.and_then(|answer| result::of_answer(answer, named.invocation, is_replayed));
            match result {
                Err(error) if error.kind() == ErrorKind::Retry => outlet.break_off(now()),
                result => outlet.end(result::response(result, named.request), now()),
            }
        });
    }

    /// Lets the client take part in an invocation that an earlier connection of it began, until that has ended.
    async fn converse(&self, submitted: &mut Submitted, stream: CallStream, progress: Option<ProgressToken>) {
        let live = Arc::clone(&stream.live);
        let client = Client {
            capabilities: live.capabilities.get().cloned(),
            progress,
            log_level: Box::new(move || Some(live.log_level())),
            channel: Channel::Stream(stream),
        };
        if let Some(mut dialogue) = Dialogue::begin(&self.0.engine, submitted, "", client) {
            tokio::select! {
                biased;
                () = submitted.ended() => {}
                _ = dialogue.hold() => unreachable!("a client with a stream is asked on it"),
            }
            dialogue.flush().await;
        }
    }

    /// How severe messages to a session must be.
    pub(super) fn set_log_level(&self, id: &SessionId, level: LogLevel) {
        if let Ok(live) = self.live(id) {
            live.set_log_level(level);
        }
    }

    /// Takes a client's answer to a question of ours; `false` if it is to another one. When it returns the answer is durable.
    async fn take_answer(&self, live: &Live, message: &ClientJsonRpcMessage) -> Result<bool, Error> {
        let (id, reply) = match message {
            JsonRpcMessage::Response(response) => {
                let result = serde_json::to_value(&response.result).unwrap_or_default();
                (&response.id, question::reply(Ok(result)))
            }
            JsonRpcMessage::Error(error) => match &error.id {
                Some(id) => (id, question::reply(Err(&error.error))),
                None => return Ok(false),
            },
            _ => return Ok(false),
        };
        let Some((invocation, key)) = asked_under(id) else { return Ok(false) };
        let asked = live.take_question(id);
        // One that an earlier process asked is answered too, if it was asked of this session.
        if asked.is_none() && !self.0.rows.has_called(&live.id, invocation).await? {
            tracing::debug!(session = &*live.id, %id, "an answer to what was not asked in this session");
            return Ok(true);
        }
        let verdicts = self.0.engine.answer(invocation, BTreeMap::from([(key.clone(), reply)])).await?;
        let verdict = verdicts.into_values().next();
        tracing::debug!(%invocation, question = key, ?verdict, "a question is answered");
        if let (Some(asked), Some(verdict)) = (asked, verdict) {
            // Nobody waits for it when the call has ended.
            let _unheard = asked.send(verdict);
        }
        Ok(true)
    }
}

fn unknown(id: &SessionId) -> Error {
    Error::new(ErrorKind::FixCall, "session_unknown", format!("there is no session `{id}`; begin a new one"))
}

pub(super) fn invocation_missing(id: InvocationId) -> Error {
    Error::new(
        ErrorKind::AskPerson,
        "invocation_missing",
        format!("invocation {id} is no longer in the store; it ended longer ago than results are kept"),
    )
}

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
        let transport = self.add(id.clone());
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
        Ok(RestoreOutcome::Restored(self.add(id)))
    }
}

/// The stream of what no request asked for. Two connections of one client that took it from each other would do so for ever,
/// so the second one stays silent.
fn standalone(live: &Live) -> Reader {
    if live.standalone.has_reader() { Outlet::new().read(0) } else { live.standalone.read(0) }
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
