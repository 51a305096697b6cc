//! A session in memory: which message belongs to which stream, in both directions.

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use rmcp::RoleServer;
use rmcp::model::{
    ClientCapabilities, ClientJsonRpcMessage, GetExtensions, GetMeta, JsonRpcMessage, ProgressToken, RequestId,
    ServerJsonRpcMessage, ServerNotification,
};
use rmcp::service::OriginatingRequestId;
use rmcp::transport::Transport;
use rmcp::transport::streamable_http_server::session::SessionId;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::call::CallStream;
use super::kept::KeptStreams;
use super::stream::Outlet;
use super::wish::Wish;
use crate::clock::{Clock, Timestamp};
use crate::engine::Verdict;
use crate::mcp::announcement::{Change, Subscribed};
use crate::notice::LogLevel;

/// Messages from the client that wait for the handler.
const INBOX: usize = 64;

/// A session whose handler runs in this process.
pub(super) struct Live {
    pub(super) id: SessionId,
    /// Who began it; not known before its first message.
    pub(super) principal: OnceLock<String>,
    /// What the client can be asked.
    pub(super) capabilities: OnceLock<ClientCapabilities>,
    /// The least severe messages that the client wants.
    log_level: AtomicU8,
    /// The resources that it wants to hear of.
    pub(super) subscribed: Subscribed,
    clock: Arc<dyn Clock>,
    inbox: mpsc::Sender<ClientJsonRpcMessage>,
    closed: CancellationToken,
    routes: Mutex<Routes>,
    /// What no request asked for goes here.
    pub(super) standalone: Arc<Outlet>,
    /// Begins the ids of requests to the client, so that an answer to a question of an earlier process is not taken for one
    /// to a question of this one.
    incarnation: Uuid,
    used_at: AtomicU64,
    is_being_touched: AtomicBool,
}

#[derive(Default)]
struct Routes {
    initializing: Option<oneshot::Sender<ServerJsonRpcMessage>>,
    by_request: HashMap<RequestId, Route>,
    named: KeptStreams,
    /// Questions of calls, under the ids that the client sees: where their verdicts are waited for.
    questions: HashMap<RequestId, oneshot::Sender<Verdict>>,
    /// Other requests to the client: the id that rmcp gave, under the one that the client sees.
    asked: HashMap<RequestId, RequestId>,
}

struct Route {
    outlet: Arc<Outlet>,
    progress: Option<ProgressToken>,
}

/// The handler's side of a session.
pub(in crate::mcp) struct SessionTransport {
    live: Arc<Live>,
    inbox: mpsc::Receiver<ClientJsonRpcMessage>,
}

impl Live {
    pub(super) fn new(id: SessionId, clock: Arc<dyn Clock>) -> (Arc<Self>, SessionTransport) {
        let (to_handler, inbox) = mpsc::channel(INBOX);
        let live = Arc::new(Self {
            id,
            principal: OnceLock::new(),
            capabilities: OnceLock::new(),
            log_level: AtomicU8::new(LogLevel::Info as u8),
            subscribed: Subscribed::default(),
            inbox: to_handler,
            closed: CancellationToken::new(),
            routes: Mutex::default(),
            standalone: Outlet::new(),
            incarnation: Uuid::new_v4(),
            used_at: AtomicU64::new(clock.now().as_millis()),
            is_being_touched: AtomicBool::new(false),
            clock,
        });
        (Arc::clone(&live), SessionTransport { live, inbox })
    }

    /// Gives the client's first message to the handler, and what it answers.
    pub(super) async fn initialize(&self, message: ClientJsonRpcMessage) -> Option<ServerJsonRpcMessage> {
        let (answer, answered) = oneshot::channel();
        self.routes.lock().initializing = Some(answer);
        self.inbox.send(message).await.ok()?;
        answered.await.ok()
    }

    /// Registers the stream of a request, and lets the request's handler know it; `None` if a request with its id is not
    /// answered yet.
    pub(super) fn open_stream(self: &Arc<Self>, message: &mut ClientJsonRpcMessage) -> Option<Arc<Outlet>> {
        let outlet = Outlet::new();
        let JsonRpcMessage::Request(request) = message else { return Some(outlet) };
        let route = Route { outlet: Arc::clone(&outlet), progress: request.request.get_meta().get_progress_token() };
        let handle = CallStream::new(self, Arc::clone(&outlet));
        request.request.extensions_mut().insert(handle);
        let mut routes = self.routes.lock();
        routes.named.let_go(self.clock.now());
        if routes.by_request.contains_key(&request.id) {
            return None;
        }
        routes.by_request.insert(request.id.clone(), route);
        Some(outlet)
    }

    pub(super) fn log_level(&self) -> LogLevel {
        let level = self.log_level.load(Ordering::Relaxed);
        LogLevel::ALL.into_iter().find(|own| *own as u8 == level).unwrap_or(LogLevel::Info)
    }

    /// Heeds what the client wants to be told.
    pub(super) fn heed(&self, wish: Wish) {
        match wish {
            Wish::Level(level) => self.log_level.store(level as u8, Ordering::Relaxed),
            Wish::Resource(uri) => self.subscribed.insert(uri),
        }
    }

    /// Tells the client of changes, until the session ends.
    pub(super) async fn hear(&self, mut changes: broadcast::Receiver<Change>) {
        loop {
            let change = tokio::select! {
                change = changes.recv() => change,
                () = self.closed.cancelled() => return,
            };
            match change {
                Ok(_) if self.is_over() => return,
                Ok(change) if self.subscribed.wants(&change) => {
                    self.standalone.send(JsonRpcMessage::notification(change.notification()));
                }
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            }
        }
    }

    /// Keeps a stream that has got its name.
    pub(super) fn name_stream(&self, name: Uuid, outlet: Arc<Outlet>) {
        self.routes.lock().named.insert(name, outlet);
    }

    /// Waits for the verdict on the answer to a question that is asked under this id.
    pub(super) fn expect_answer(&self, id: RequestId, verdict: oneshot::Sender<Verdict>) {
        self.routes.lock().questions.insert(id, verdict);
    }

    /// Takes the question that is asked under this id: where its verdict is waited for.
    pub(super) fn take_question(&self, id: &RequestId) -> Option<oneshot::Sender<Verdict>> {
        self.routes.lock().questions.remove(id)
    }

    /// The stream of this name, if it is in memory.
    pub(super) fn stream(&self, name: Uuid) -> Option<Arc<Outlet>> {
        self.routes.lock().named.get(name).cloned()
    }

    /// Keeps a stream that was taken up again, unless another one was first.
    pub(super) fn keep_stream(&self, name: Uuid, outlet: Arc<Outlet>) -> Arc<Outlet> {
        let mut routes = self.routes.lock();
        match routes.named.get(name) {
            Some(first) if !first.is_broken_off() => Arc::clone(first),
            _ => {
                routes.named.insert(name, Arc::clone(&outlet));
                outlet
            }
        }
    }

    /// Passes a message of the client on to the handler; `false` when there is no handler any more.
    pub(super) async fn accept(&self, mut message: ClientJsonRpcMessage) -> bool {
        let asked = match &mut message {
            JsonRpcMessage::Response(response) => Some(&mut response.id),
            JsonRpcMessage::Error(error) => error.id.as_mut(),
            _ => None,
        };
        if let Some(id) = asked {
            let Some(original) = self.routes.lock().asked.remove(id) else {
                tracing::debug!(session = &*self.id, %id, "an answer to nothing that is asked now");
                return true;
            };
            *id = original;
        }
        self.inbox.send(message).await.is_ok()
    }

    pub(super) fn close(&self) {
        self.closed.cancel();
    }

    /// Whether the handler has ended.
    pub(super) fn is_over(&self) -> bool {
        self.inbox.is_closed()
    }

    /// Whether nobody is connected or waits for anything since this time.
    pub(super) fn is_idle_since(&self, time: Timestamp) -> bool {
        self.used_at.load(Ordering::Relaxed) < time.as_millis()
            && !self.standalone.has_reader()
            && self.routes.lock().by_request.is_empty()
    }

    /// Notes that the session is used; `true` for the one who is to write it down, once in each `every` milliseconds.
    pub(super) fn touch(&self, every: u64) -> bool {
        let now = self.clock.now().as_millis();
        if now.saturating_sub(self.used_at.load(Ordering::Relaxed)) < every {
            return false;
        }
        !self.is_being_touched.swap(true, Ordering::Relaxed)
    }

    pub(super) fn touched(&self) {
        self.used_at.store(self.clock.now().as_millis(), Ordering::Relaxed);
        self.is_being_touched.store(false, Ordering::Relaxed);
    }

    /// Sends a message of the handler to where it belongs.
    fn deliver(&self, mut message: ServerJsonRpcMessage) {
        let mut routes = self.routes.lock();
        let outlet = match &mut message {
            JsonRpcMessage::Response(_) | JsonRpcMessage::Error(_) => {
                if let Some(initializing) = routes.initializing.take() {
                    // Nobody waits when the client went away.
                    let _unheard = initializing.send(message);
                    return;
                }
                let id = match &message {
                    JsonRpcMessage::Response(response) => Some(&response.id),
                    JsonRpcMessage::Error(error) => error.id.as_ref(),
                    _ => None,
                };
                if let Some(route) = id.and_then(|id| routes.by_request.remove(id)) {
                    route.outlet.end(message, self.clock.now());
                } else {
                    tracing::debug!(session = &*self.id, "a response to no request");
                }
                return;
            }
            JsonRpcMessage::Request(request) => {
                let seen = RequestId::String(format!("{}.{}", self.incarnation.simple(), request.id).into());
                routes.asked.insert(seen.clone(), std::mem::replace(&mut request.id, seen));
                let origin = request.request.extensions().get::<OriginatingRequestId>();
                origin.and_then(|OriginatingRequestId(id)| routes.by_request.get(id)).map(|route| &route.outlet)
            }
            JsonRpcMessage::Notification(notification) => match &mut notification.notification {
                ServerNotification::ProgressNotification(progress) => {
                    let token = &progress.params.progress_token;
                    let route = routes.by_request.values().find(|route| route.progress.as_ref() == Some(token));
                    route.map(|route| &route.outlet)
                }
                ServerNotification::CancelledNotification(cancelled) => {
                    if let Some(id) = &mut cancelled.params.request_id {
                        let seen = RequestId::String(format!("{}.{id}", self.incarnation.simple()).into());
                        routes.asked.remove(&seen);
                        *id = seen;
                    }
                    None
                }
                _ => None,
            },
        };
        outlet.unwrap_or(&self.standalone).send(message);
    }

    /// Forgets a request that its client cancelled: there will be no response.
    pub(super) fn cancelled(&self, request: &RequestId) {
        if let Some(route) = self.routes.lock().by_request.remove(request) {
            route.outlet.break_off(self.clock.now());
        }
    }
}

impl Transport<RoleServer> for SessionTransport {
    type Error = Infallible;

    fn send(&mut self, message: ServerJsonRpcMessage) -> impl Future<Output = Result<(), Infallible>> + Send + 'static {
        self.live.deliver(message);
        std::future::ready(Ok(()))
    }

    async fn receive(&mut self) -> Option<ClientJsonRpcMessage> {
        let closed = self.live.closed.clone();
        tokio::select! {
            biased;
            () = closed.cancelled() => None,
            message = self.inbox.recv() => message,
        }
    }

    async fn close(&mut self) -> Result<(), Infallible> {
        self.inbox.close();
        Ok(())
    }
}

impl Drop for SessionTransport {
    fn drop(&mut self) {
        // Nothing will be answered any more; who waits on a stream comes back for it, to this process or the next one.
        let now = self.live.clock.now();
        let mut routes = self.live.routes.lock();
        for (_, route) in routes.by_request.drain() {
            route.outlet.break_off(now);
        }
        self.live.standalone.break_off(now);
    }
}
