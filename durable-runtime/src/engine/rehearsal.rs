//! Rehearsal: a replay without effects, of which nothing is ever committed.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::Engine;
use super::driver::poll_caught;
use super::execution::Start;
use super::invocation::Invocation;
use crate::compensation;
use crate::context::DurableContext;
use crate::id::InvocationId;
use crate::journal::replay::History;
use crate::tool::Conclude;

/// How far a body comes with what is recorded.
pub(super) struct Rehearsal {
    pub(super) invocation: Arc<Invocation>,
    /// What its poll gave: what it ends with, or the text of its panic.
    pub(super) polled: Poll<Result<Result<Conclude, serde_json::Error>, String>>,
}

impl Engine {
    /// Polls a body once over its history. Recorded outcomes are there at once, so that is as far as they lead.
    pub(super) fn rehearse(&self, id: InvocationId, history: History, rows: u32, body: Start) -> Rehearsal {
        let surroundings = Arc::clone(&self.surroundings);
        let invocation = Arc::new(Invocation::resume(id, surroundings, history, rows, Vec::new(), (false, false)));
        // No attempt starts.
        invocation.stop();
        if invocation.history().cancelled().is_some() {
            // What undid the call is not replayed.
            invocation.pass_over(compensation::SCOPE.to_owned());
        }
        let mut body = body(DurableContext::new(Arc::clone(&invocation)));
        let polled = poll_caught(body.as_mut(), &mut Context::from_waker(Waker::noop()));
        Rehearsal { invocation, polled }
    }
}
