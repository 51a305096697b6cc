//! The stream that one request is answered on: what was sent, for those who come back to it.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures_core::Stream;
use parking_lot::Mutex;
use rmcp::model::ServerJsonRpcMessage;
use rmcp::transport::streamable_http_server::session::ServerSseMessage;
use uuid::Uuid;

use super::event_id::{EventId, Position};
use crate::clock::Timestamp;
use crate::engine::Delivery;

/// How many events are kept for a client that does not read. The oldest are given up first.
const KEPT_EVENTS: usize = 256;
/// After how long a client should come back to a stream that broke.
const RETRY: Duration = Duration::from_secs(3);

/// The outgoing side of a request, or of a session where there is no request.
pub(in crate::mcp) struct Outlet {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The name under which the client can come back, once that is durable.
    name: Option<Uuid>,
    events: VecDeque<Event>,
    /// The number that the next event gets.
    next: u64,
    /// The number after the last event that a reader was given.
    given: u64,
    ended: Option<Timestamp>,
    /// A client has come back to it, perhaps from another process.
    is_resumed: bool,
    /// Only the reader that came last is given events.
    reader: u64,
    /// The reader that is given what there is, and then no more.
    hung_up: u64,
    has_reader: bool,
    /// What is to know when the response was taken.
    delivery: Option<Delivery>,
    waker: Option<Waker>,
}

struct Event {
    number: u64,
    position: Option<Position>,
    message: Option<Arc<ServerJsonRpcMessage>>,
}

impl Outlet {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { state: Mutex::default() })
    }

    /// One that a client comes back to: the number of its next event is this one.
    pub(super) fn resumed(name: Uuid, next: u64) -> Arc<Self> {
        let state = State { name: Some(name), next, is_resumed: true, ..State::default() };
        Arc::new(Self { state: Mutex::new(state) })
    }

    /// Gives the stream a name that is durable, and tells the client its first event id. From now on a client that lost its
    /// connection can come back.
    pub(in crate::mcp) fn prime(&self, name: Uuid) {
        let mut state = self.state.lock();
        state.name = Some(name);
        state.push(Some(Position::At(0)), None);
    }

    /// Sends a message before the response.
    pub(super) fn send(&self, message: ServerJsonRpcMessage) {
        self.state.lock().push(None, Some(message));
    }

    /// Sends the response, the last message.
    pub(super) fn end(&self, response: ServerJsonRpcMessage, now: Timestamp) {
        let mut state = self.state.lock();
        if state.ended.is_none() {
            state.push(Some(Position::End), Some(response));
            state.ended = Some(now);
        }
    }

    /// Follows the response that is to come until a reader has taken it.
    pub(in crate::mcp) fn follow(&self, delivery: Delivery) {
        self.state.lock().delivery = Some(delivery);
    }

    /// Ends the connection without a response: a client comes back for it if it can.
    pub(in crate::mcp) fn break_off(&self, now: Timestamp) {
        let mut state = self.state.lock();
        state.ended.get_or_insert(now);
        state.wake();
    }

    /// Ends the connection, and keeps what is sent for the client that comes back.
    pub(in crate::mcp) fn hang_up(&self) {
        let mut state = self.state.lock();
        // A stream without a name cannot be come back to.
        if state.name.is_some() {
            state.hung_up = state.reader;
            state.has_reader = false;
            state.wake();
        }
    }

    /// Whether it ended without a response.
    pub(super) fn is_broken_off(&self) -> bool {
        let state = self.state.lock();
        state.ended.is_some() && !state.has_response()
    }

    /// Whether it ended before this time.
    pub(super) fn has_ended_before(&self, time: Timestamp) -> bool {
        self.state.lock().ended.is_some_and(|ended| ended < time)
    }

    pub(super) fn is_resumed(&self) -> bool {
        self.state.lock().is_resumed
    }

    pub(super) fn has_reader(&self) -> bool {
        self.state.lock().has_reader
    }

    /// Reads the events from this number on, in place of whoever reads now.
    pub(super) fn read(self: &Arc<Self>, from: u64) -> Reader {
        let mut state = self.state.lock();
        state.reader += 1;
        state.has_reader = true;
        state.wake();
        Reader { outlet: Arc::clone(self), number: state.reader, next: from }
    }

    /// Reads the events that no reader was given.
    pub(super) fn read_on(self: &Arc<Self>) -> Reader {
        let given = self.state.lock().given;
        self.read(given)
    }
}

impl State {
    fn push(&mut self, position: Option<Position>, message: Option<ServerJsonRpcMessage>) {
        if self.ended.is_some() {
            return;
        }
        if self.events.len() >= KEPT_EVENTS {
            self.events.pop_front();
        }
        let number = self.next;
        self.next += 1;
        self.events.push_back(Event { number, position, message: message.map(Arc::new) });
        self.wake();
    }

    fn has_response(&self) -> bool {
        self.events.back().is_some_and(|last| last.position == Some(Position::End))
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn event(&self, event: &Event) -> ServerSseMessage {
        let mut sent = ServerSseMessage::default();
        sent.event_id = self.name.map(|stream| {
            let position = event.position.unwrap_or(Position::At(event.number));
            EventId { stream, position }.to_string()
        });
        sent.message.clone_from(&event.message);
        sent.retry = event.message.is_none().then_some(RETRY);
        sent
    }
}

/// The events of an outlet, for one connection.
pub(in crate::mcp) struct Reader {
    outlet: Arc<Outlet>,
    number: u64,
    next: u64,
}

impl Stream for Reader {
    type Item = ServerSseMessage;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let outlet = Arc::clone(&self.outlet);
        let mut state = outlet.state.lock();
        if state.reader != self.number {
            return Poll::Ready(None);
        }
        let first = state.events.partition_point(|event| event.number < self.next);
        if let Some(event) = state.events.get(first) {
            self.next = event.number + 1;
            let sent = state.event(event);
            state.given = state.given.max(self.next);
            return Poll::Ready(Some(sent));
        }
        if state.ended.is_some() || state.hung_up == self.number {
            // Who asks for more has taken the response.
            let delivery = if state.has_response() { state.delivery.take() } else { None };
            drop(state);
            if let Some(delivery) = delivery {
                delivery.written();
            }
            return Poll::Ready(None);
        }
        state.waker = Some(task.waker().clone());
        Poll::Pending
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut state = self.outlet.state.lock();
        if state.reader == self.number {
            state.has_reader = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use rmcp::model::{EmptyResult, RequestId, ServerResult};

    use super::*;

    fn message(number: i64) -> ServerJsonRpcMessage {
        ServerJsonRpcMessage::response(ServerResult::EmptyResult(EmptyResult {}), RequestId::Number(number))
    }

    /// The ids of what is there to read, and whether the stream has ended after that.
    fn drain(reader: &mut Reader) -> (Vec<String>, bool) {
        let mut task = Context::from_waker(Waker::noop());
        let mut ids = Vec::new();
        loop {
            match Pin::new(&mut *reader).poll_next(&mut task) {
                Poll::Ready(Some(event)) => ids.push(event.event_id.unwrap_or_default()),
                Poll::Ready(None) => return (ids, true),
                Poll::Pending => return (ids, false),
            }
        }
    }

    #[test]
    fn a_client_that_comes_back_gets_what_it_missed_once_and_in_order() {
        let name = Uuid::from_u128(1);
        let outlet = Outlet::new();
        let mut first = outlet.read(0);
        outlet.prime(name);
        outlet.send(message(1));
        let (seen, has_ended) = drain(&mut first);
        assert_eq!(seen, [format!("{}.0", name.simple()), format!("{}.1", name.simple())]);
        assert!(!has_ended);
        outlet.send(message(2));
        let last: EventId = seen[1].parse().expect("an id");
        let mut second = outlet.read(last.position.next());
        assert_eq!(drain(&mut first), (vec![], true), "two connections were given events");
        outlet.end(message(3), Timestamp::from_millis(1));
        outlet.send(message(4));
        assert_eq!(drain(&mut second), (vec![format!("{}.2", name.simple()), format!("{}.end", name.simple())], true));
    }

    #[test]
    fn what_no_request_asked_for_is_read_on_where_the_connection_before_ended() {
        let outlet = Outlet::new();
        outlet.send(message(1));
        let mut first = outlet.read_on();
        assert_eq!(drain(&mut first).0.len(), 1);
        outlet.send(message(2));
        outlet.send(message(3));
        assert_eq!(drain(&mut outlet.read_on()).0.len(), 2);
        assert_eq!(drain(&mut outlet.read_on()).0.len(), 0, "it was told twice");
    }

    #[test]
    fn a_client_that_does_not_read_costs_a_bounded_number_of_events() {
        let outlet = Outlet::new();
        for number in 0..10_000 {
            outlet.send(message(number));
        }
        let (seen, _) = drain(&mut outlet.read(0));
        assert_eq!(seen.len(), KEPT_EVENTS);
    }
}
