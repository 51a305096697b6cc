//! The owner's end of a relayed connection, as rmcp sees it.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::sync::Arc;

use parking_lot::Mutex;
use rmcp::RoleServer;
use rmcp::model::{
    ClientJsonRpcMessage, GetExtensions, GetMeta, JsonRpcMessage, MetaObject, RequestId, ServerJsonRpcMessage,
    ServerNotification,
};
use rmcp::transport::Transport;
use rmcp::transport::async_rw::AsyncRwTransport;
use rmcp::transport::streamable_http_server::session::SessionId;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::line::{META, RELAYED_BYTES};
use super::request::RelayedRequest;
use crate::mcp::delivery::Deliveries;

/// One connection.
pub(super) struct RelayTransport<R: AsyncRead, W: AsyncWrite> {
    lines: AsyncRwTransport<RoleServer, R, W>,
    connection: SessionId,
    /// Begins the ids of requests to the client: an answer to a question of an earlier owner is not one to a question of ours.
    opening: Uuid,
    /// The requests to the client: the id that rmcp gave, under the one that the client sees.
    asked: Arc<Mutex<HashMap<RequestId, RequestId>>>,
    deliveries: Deliveries,
    cut: CancellationToken,
}

impl<R, W> RelayTransport<R, W>
where
    R: AsyncRead + Send + Unpin,
    W: AsyncWrite + Send + Unpin + 'static,
{
    pub(super) fn new(
        read: R,
        write: W,
        connection: SessionId,
        opening: Uuid,
        deliveries: Deliveries,
        cut: CancellationToken,
    ) -> Self {
        let lines = AsyncRwTransport::new_server(read, write).with_max_line_length(RELAYED_BYTES);
        Self { lines, connection, opening, asked: Arc::default(), deliveries, cut }
    }

    fn seen(&self, id: &RequestId) -> RequestId {
        RequestId::String(format!("{}.{id}", self.opening.simple()).into())
    }

    /// Takes what the relay said of a message, for its handler.
    fn take_number(&self, meta: &mut MetaObject) -> Option<RelayedRequest> {
        let number = serde_json::from_value(meta.remove(META)?).ok()?;
        Some(RelayedRequest { connection: self.connection.clone(), number })
    }

    /// Makes a message of the client what the handler is to see; `false` if it is an answer to nothing.
    fn admit(&self, message: &mut ClientJsonRpcMessage) -> bool {
        let answered = match message {
            JsonRpcMessage::Request(request) => {
                if let Some(relayed) = self.take_number(request.request.get_meta_mut()) {
                    request.request.extensions_mut().insert(relayed);
                }
                return true;
            }
            JsonRpcMessage::Notification(notification) => {
                if let Some(relayed) = self.take_number(notification.notification.get_meta_mut()) {
                    notification.notification.extensions_mut().insert(relayed);
                }
                return true;
            }
            JsonRpcMessage::Response(response) => &mut response.id,
            JsonRpcMessage::Error(error) => match &mut error.id {
                Some(id) => id,
                None => return true,
            },
        };
        let Some(original) = self.asked.lock().remove(answered) else { return false };
        *answered = original;
        true
    }
}

impl<R, W> Transport<RoleServer> for RelayTransport<R, W>
where
    R: AsyncRead + Send + Unpin,
    W: AsyncWrite + Send + Unpin + 'static,
{
    type Error = io::Error;

    fn send(&mut self, mut message: ServerJsonRpcMessage) -> impl Future<Output = io::Result<()>> + Send + 'static {
        match &mut message {
            JsonRpcMessage::Request(request) => {
                let seen = self.seen(&request.id);
                self.asked.lock().insert(seen.clone(), std::mem::replace(&mut request.id, seen));
            }
            JsonRpcMessage::Notification(notification) => {
                if let ServerNotification::CancelledNotification(cancelled) = &mut notification.notification
                    && let Some(id) = &mut cancelled.params.request_id
                {
                    let seen = self.seen(id);
                    self.asked.lock().remove(&seen);
                    *id = seen;
                }
            }
            JsonRpcMessage::Response(_) | JsonRpcMessage::Error(_) => {}
        }
        // What is answered after the cut says that the server stops, which the client is not to hear: the next owner answers.
        let delivery = self.deliveries.of(&message);
        let sending = (!self.cut.is_cancelled()).then(|| self.lines.send(message));
        async move {
            let Some(sending) = sending else { return Ok(()) };
            sending.await?;
            if let Some(delivery) = delivery {
                delivery.written();
            }
            Ok(())
        }
    }

    async fn receive(&mut self) -> Option<ClientJsonRpcMessage> {
        loop {
            let mut message = tokio::select! {
                biased;
                () = self.cut.cancelled() => return None,
                message = self.lines.receive() => message?,
            };
            if self.admit(&mut message) {
                return Some(message);
            }
            tracing::debug!("an answer to nothing that is asked now");
        }
    }

    async fn close(&mut self) -> io::Result<()> {
        self.lines.close().await
    }
}
