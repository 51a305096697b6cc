//! Where an answer is written out, whose call cares: at the end of a response's body over HTTP, with the message over standard
//! input and output. A session's stream follows its own.

use std::collections::HashMap;
use std::sync::Arc;

use http::request::Parts;
use parking_lot::Mutex;
use rmcp::RoleServer;
use rmcp::model::{ClientJsonRpcMessage, JsonRpcMessage, RequestId, ServerJsonRpcMessage};
use rmcp::service::RequestContext;
use rmcp::transport::Transport;

use super::handler::Handler;
use super::outcome::Outcome;
use super::session::CallStream;
use crate::engine::{Answer, Delivery};
use crate::tool::RegisteredTool;

impl Handler {
    /// Follows what a request is answered with until it is written out. Questions, and answers that put the client off, are no
    /// delivery.
    pub(super) fn follow(&self, outcome: &Outcome, tool: &RegisteredTool, context: &RequestContext<RoleServer>) {
        let (Outcome::Answered { answer: Answer::Ended(_), id, .. } | Outcome::Task { id, .. }) = outcome else {
            return;
        };
        let Some(delivery) = self.server.parts.engine.delivery(tool.definition.name, *id) else { return };
        let body = context.extensions.get::<Parts>().and_then(|parts| parts.extensions.get::<ResponseBody>());
        if let Some(stream) = context.extensions.get::<CallStream>() {
            stream.outlet.follow(delivery);
        } else if let Some(body) = body {
            body.0.lock().replace(delivery);
        } else if !context.ct.is_cancelled() {
            // A request that was cancelled is not answered.
            self.connection.deliveries.0.lock().insert(context.id.clone(), delivery);
        }
    }
}

/// What is to know when the body of a response has been written: it goes with the request to the handler.
#[derive(Clone, Default)]
pub(super) struct ResponseBody(pub(super) Arc<Mutex<Option<Delivery>>>);

/// The answers on their way to the client over standard input and output.
#[derive(Clone, Default)]
pub(in crate::mcp) struct Deliveries(Arc<Mutex<HashMap<RequestId, Delivery>>>);

impl Deliveries {
    /// What is to know when this message has been written.
    pub(in crate::mcp) fn of(&self, message: &ServerJsonRpcMessage) -> Option<Delivery> {
        let answered = match message {
            JsonRpcMessage::Response(response) => Some(&response.id),
            JsonRpcMessage::Error(error) => error.id.as_ref(),
            _ => None,
        };
        self.0.lock().remove(answered?)
    }

    /// The same transport, which tells of what was written.
    pub(super) fn follow<T: Transport<RoleServer>>(self, transport: T) -> impl Transport<RoleServer, Error = T::Error> {
        FollowedTransport { transport, deliveries: self }
    }
}

struct FollowedTransport<T> {
    transport: T,
    deliveries: Deliveries,
}

impl<T: Transport<RoleServer>> Transport<RoleServer> for FollowedTransport<T> {
    type Error = T::Error;

    fn send(
        &mut self,
        message: ServerJsonRpcMessage,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        let delivery = self.deliveries.of(&message);
        let sending = self.transport.send(message);
        async move {
            sending.await?;
            if let Some(delivery) = delivery {
                delivery.written();
            }
            Ok(())
        }
    }

    async fn receive(&mut self) -> Option<ClientJsonRpcMessage> {
        self.transport.receive().await
    }

    async fn close(&mut self) -> Result<(), Self::Error> {
        self.transport.close().await
    }
}
