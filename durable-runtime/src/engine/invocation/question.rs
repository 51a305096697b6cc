//! What a body has to say to clients, and to ask them.

use std::future::poll_fn;
use std::task::Poll;

use super::{Invocation, Notice, Ticket};
use crate::clock::Timestamp;
use crate::engine::conversation::Question;
use crate::journal::codec;
use crate::journal::identity::Identity;
use crate::journal::record::{Record, Reply};
use crate::table::overlay::Overlay;

impl Invocation {
    /// Asks a question, and waits for its answer: one that `check` lets pass, or that there is none. What the run's history
    /// has of it, counts. All of it is one wait, so that the body can be dropped meanwhile.
    pub(crate) async fn ask(
        &self,
        identity: Identity,
        expires_at: Timestamp,
        request: impl FnOnce() -> String,
        check: impl Fn(&Reply) -> Result<(), String>,
    ) -> Reply {
        let key = identity.as_question_key();
        let (question, ticket) = if let Some(asked) = self.history.asked(&identity) {
            (Question { request: asked.request.clone(), expires_at: asked.expires_at }, None)
        } else {
            let question = Question { request: request(), expires_at: expires_at.as_millis() };
            let record = Record::Asked {
                question: identity.clone(),
                request: question.request.clone(),
                at: self.now().as_millis(),
                expires_at: question.expires_at,
            };
            (question, Some(self.stage(record, Overlay::default())))
        };
        let expires_at = Timestamp::from_millis(question.expires_at);
        let waiting = self.begin_wait(expires_at);
        self.state.lock().waiting_for.insert(identity.clone());
        if let Some(ticket) = ticket {
            // Nothing leaves for the client before that.
            poll_fn(|_| if self.is_durable(ticket) { Poll::Ready(()) } else { Poll::Pending }).await;
        }
        if !self.conversation.ask(&key, question) {
            self.park(
                "duplicate_question",
                format!("two questions of one call have the key `{key}`; give each `.named(..)` a name of its own"),
            );
            self.suspend().await;
        }
        let reply = self.reply(&key, expires_at, check).await;
        if self.is_interrupted() {
            self.suspend().await;
        }
        drop(waiting);
        self.state.lock().waiting_for.remove(&identity);
        let record = Record::Operated { operation: identity, result: codec::encode(&reply) };
        let ticket = self.stage(record, Overlay::default());
        self.conversation.settle(&key, reply.clone(), Some(ticket));
        reply
    }

    async fn reply(&self, key: &str, expires_at: Timestamp, check: impl Fn(&Reply) -> Result<(), String>) -> Reply {
        let mut changes = self.conversation.changes();
        let mut expiry = self.surroundings.clock.sleep_until(expires_at);
        loop {
            changes.borrow_and_update();
            while let Some((offer, reply)) = self.conversation.offer(key) {
                match self.check_size(&reply).and_then(|()| check(&reply)) {
                    Ok(()) => return reply,
                    Err(why) => self.conversation.reject(key, offer, why),
                }
            }
            tokio::select! {
                biased;
                () = &mut expiry => return Reply::Expired,
                changed = changes.changed() => {
                    if changed.is_err() {
                        self.suspend().await;
                    }
                }
            }
        }
    }

    fn check_size(&self, reply: &Reply) -> Result<(), String> {
        let (Reply::Given(text) | Reply::Unavailable(text)) = reply else { return Ok(()) };
        let limit = self.surroundings.limits.outcome_bytes;
        if text.len() <= limit {
            return Ok(());
        }
        Err(format!("the answer has {} bytes, and {limit} is the most", text.len()))
    }

    /// Takes up the answer that a replay gives.
    pub(crate) fn recall_reply(&self, identity: &Identity, reply: &Reply) {
        self.conversation.settle(&identity.as_question_key(), reply.clone(), None);
    }

    /// The body goes on without what it asked in this scope.
    pub(super) fn withdraw_questions(&self, scope: &str) {
        let mut state = self.state.lock();
        let (withdrawn, kept): (Vec<Identity>, _) =
            std::mem::take(&mut state.waiting_for).into_iter().partition(|question| question.is_within(scope));
        state.waiting_for.extend::<Vec<Identity>>(kept);
        drop(state);
        for question in withdrawn {
            let (key, result) = (question.as_question_key(), codec::encode(&Reply::Withdrawn));
            let ticket = self.stage(Record::Operated { operation: question, result }, Overlay::default());
            self.conversation.withdraw(&key, ticket);
        }
    }

    /// Tells clients something when the batch of the ticket is durable.
    pub(crate) fn tell_after(&self, ticket: Ticket, notice: Notice) {
        let mut state = self.state.lock();
        if state.halt.is_none() {
            state.notices.push((ticket, notice));
        }
    }

    /// Tells clients something at once.
    pub(crate) fn tell(&self, notice: Notice) {
        self.conversation.tell(notice);
    }

    /// Notes what clients were told by an earlier run.
    pub(crate) fn recall_notice(&self, notice: &Notice) {
        self.conversation.remember(notice);
    }

    /// Says to clients whether the body works or waits.
    pub(in crate::engine) fn say_whether_it_rests(&self, is_working: bool) {
        let is_resting = !is_working && {
            let state = self.state.lock();
            state.has_gathered_nothing() && state.activity.rests_until().is_some()
        };
        self.conversation.rest(is_resting);
    }

    /// Ends when a client has answered a question.
    pub(in crate::engine) async fn offered(&self) {
        self.conversation.offered().await;
    }

    /// A run of the body begins.
    pub(in crate::engine) fn begin_run(&self) {
        self.conversation.begin_run();
    }
}
