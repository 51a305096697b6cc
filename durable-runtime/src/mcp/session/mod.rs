//! Sessions of the revision 2025-11-25: they outlive connections and processes.
//!
//! The stream of a call has a name that is durable together with the call's admission. A client that lost its connection
//! comes back with the id of the last event it saw; if the process is another one by then, what it gets is the response that
//! the invocation ended with.

mod call;
mod event_id;
mod kept;
mod live;
mod manager;
mod row;
mod stream;
mod wish;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;
use rmcp::model::{ClientJsonRpcMessage, JsonRpcMessage, ProgressToken, RequestId};
use rmcp::transport::streamable_http_server::session::SessionId;
use uuid::Uuid;

use self::call::asked_under;
use self::live::{Live, SessionTransport};
use self::row::{NamedStream, Rows};
use self::stream::Outlet;
use self::wish::Wish;
use super::announcement::Changes;
use super::dialogue::{Channel, Client, Dialogue};
use super::{question, result};
use crate::clock::Timestamp;
use crate::engine::{Answer, Engine, Submitted};
use crate::error::{Error, ErrorKind};
use crate::id::InvocationId;
use crate::notice::LogLevel;

pub(super) use self::call::CallStream;
pub(super) use self::row::stream_name;

/// Reads the id of an event, and checks that it is written as it was understood.
#[cfg(any(test, fuzzing))]
pub(super) fn reread_event_id(text: &str) {
    if let Ok(id) = text.parse::<event_id::EventId>() {
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!(id.position.next() > 0);
    }
}

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
    changes: Changes,
    live: RwLock<HashMap<SessionId, Arc<Live>>>,
}

impl Sessions {
    pub(super) fn new(engine: Arc<Engine>, changes: Changes, time_to_live: Duration) -> Self {
        let rows = Rows { surroundings: Arc::clone(engine.surroundings()), time_to_live };
        Self(Arc::new(Inner { engine, rows, changes, live: RwLock::default() }))
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
    #[cfg(feature = "http")]
    pub(super) async fn belongs_to(&self, id: &str, principal: &str) -> Result<bool, Error> {
        let live = self.0.live.read().get(id).cloned();
        if let Some(owner) = live.as_ref().and_then(|live| live.principal.get()) {
            return Ok(owner == principal);
        }
        Ok(self.0.rows.session(id).await?.is_none_or(|session| session.principal == principal))
    }

    fn add(&self, id: SessionId, wishes: Vec<Wish>) -> SessionTransport {
        let (live, transport) = Live::new(id.clone(), Arc::clone(&self.0.rows.surroundings.clock));
        for wish in wishes {
            live.heed(wish);
        }
        // Before anybody can know that the session is there: no change is missed from now on.
        let changes = self.0.changes.listen();
        let told = Arc::clone(&live);
        self.0.engine.in_background(async move { told.hear(changes).await });
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
            if let Ok(Answer::Ended(ended)) = &answer
                && let Some(delivery) = sessions.0.engine.delivery(&ended.tool, named.invocation)
            {
                outlet.follow(delivery);
            }
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

    /// The client wants messages from this level on, also of the next process.
    pub(super) async fn set_log_level(&self, id: &SessionId, level: LogLevel) -> Result<(), Error> {
        self.wish(id, Wish::Level(level)).await
    }

    /// The client wants to hear of a resource, also from the next process.
    pub(super) async fn subscribe(&self, id: &SessionId, uri: String) -> Result<(), Error> {
        self.wish(id, Wish::Resource(uri)).await
    }

    pub(super) async fn unsubscribe(&self, id: &SessionId, uri: String) -> Result<(), Error> {
        self.live(id)?.subscribed.remove(&uri);
        self.0.rows.no_longer_wish(id, &Wish::Resource(uri)).await
    }

    async fn wish(&self, id: &SessionId, wish: Wish) -> Result<(), Error> {
        let live = self.live(id)?;
        self.0.rows.wish(id, &wish).await?;
        live.heed(wish);
        Ok(())
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
