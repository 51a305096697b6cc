//! The stream of a call, as its handler has it.

use std::sync::Arc;

use rmcp::model::{
    CancelledNotification, CancelledNotificationParam, InputRequest, JsonRpcMessage, RequestId, ServerNotification,
};
use rmcp::transport::streamable_http_server::session::SessionId;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::live::Live;
use super::stream::Outlet;
use crate::engine::Verdict;
use crate::id::InvocationId;
use crate::mcp::question;
use crate::notice::LogLevel;

/// What the handler of a call learns of the stream that it is answered on.
#[derive(Clone)]
pub(in crate::mcp) struct CallStream {
    pub(in crate::mcp) session: SessionId,
    pub(in crate::mcp) outlet: Arc<Outlet>,
    pub(super) live: Arc<Live>,
}

/// The id of a question: which one of which invocation, in which process, and how often it was asked there. So an answer is
/// known for what it answers after a restart too.
fn question_id(opening: u64, tries: u32, invocation: InvocationId, key: &str) -> RequestId {
    RequestId::String(format!("{opening}.{tries}.{}.{key}", invocation.as_uuid().simple()).into())
}

/// The invocation and the key of a question that was asked under this id.
pub(super) fn asked_under(id: &RequestId) -> Option<(InvocationId, String)> {
    let RequestId::String(id) = id else { return None };
    let mut parts = id.splitn(4, '.');
    parts.next()?.parse::<u64>().ok()?;
    parts.next()?.parse::<u32>().ok()?;
    let invocation = Uuid::try_parse(parts.next()?).ok()?;
    Some((InvocationId::from_bytes(*invocation.as_bytes()), parts.next()?.to_owned()))
}

impl CallStream {
    pub(super) fn new(live: &Arc<Live>, outlet: Arc<Outlet>) -> Self {
        Self { session: live.id.clone(), outlet, live: Arc::clone(live) }
    }

    pub(in crate::mcp) fn log_level(&self) -> LogLevel {
        self.live.log_level()
    }

    /// Tells the client something.
    pub(in crate::mcp) fn send(&self, notification: ServerNotification) {
        self.outlet.send(JsonRpcMessage::notification(notification));
    }

    /// Asks the client. Gives where it is told what becomes of the answer, and the id of the request.
    pub(in crate::mcp) fn ask(
        &self,
        invocation: InvocationId,
        key: &str,
        request: InputRequest,
        tries: u32,
        opening: u64,
    ) -> (oneshot::Receiver<Verdict>, RequestId) {
        let (verdict, comes) = oneshot::channel();
        let id = question_id(opening, tries, invocation, key);
        let Some(request) = question::server_request(request) else { return (comes, id) };
        if tries == 1 && self.outlet.is_resumed() {
            // The process before this one may have asked the same.
            self.cancel(&question_id(opening.saturating_sub(1), 1, invocation, key));
        }
        self.live.expect_answer(id.clone(), verdict);
        self.outlet.send(JsonRpcMessage::request(request, id.clone()));
        (comes, id)
    }

    /// Tells the client that a question need not be answered any more, if it has not answered it.
    pub(in crate::mcp) fn withdraw(&self, id: &RequestId) {
        if self.live.take_question(id).is_some() {
            self.cancel(id);
        }
    }

    fn cancel(&self, id: &RequestId) {
        let params =
            CancelledNotificationParam::new(Some(id.clone()), Some("the call goes on without an answer".into()));
        self.send(ServerNotification::CancelledNotification(CancelledNotification::new(params)));
    }

    /// Gives the stream a durable name.
    pub(in crate::mcp) fn prime(&self, name: Uuid) {
        self.live.name_stream(name, Arc::clone(&self.outlet));
        self.outlet.prime(name);
    }
}
