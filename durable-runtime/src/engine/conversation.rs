//! What an invocation in memory and its clients say to each other: questions and their answers, progress and messages.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::watch;

use super::invocation::Ticket;
use super::notice::{Notice, Notices};
use crate::journal::record::Reply;

/// A question that a client is to be asked. It is durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Question {
    /// The request, as the protocol has it: `{ "method": .., "params": .. }`, as JSON.
    pub(crate) request: String,
    /// Milliseconds since the Unix epoch.
    pub(crate) expires_at: u64,
}

/// Questions under their keys: which of the invocation's questions each is.
pub(crate) type Questions = BTreeMap<String, Arc<Question>>;

/// What became of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is the answer, durably; perhaps it was before.
    Recorded,
    /// Another answer was first.
    Conflict,
    /// There is no such question.
    Unknown,
    /// It is no answer to this question: why.
    Rejected(String),
}

/// Kept for as long as the invocation is in memory, over all runs of its body.
#[derive(Default)]
pub(crate) struct Conversation {
    state: Mutex<State>,
    /// Tells of every change of the state, and of notices. Made for the first who wants to know: most calls say nothing.
    changed: OnceLock<watch::Sender<()>>,
}

#[derive(Default)]
struct State {
    open: Questions,
    /// Answers that the body has not come to yet, each with its number.
    offers: HashMap<String, (u64, Reply)>,
    next_offer: u64,
    /// Why offers were not taken.
    rejected: HashMap<u64, String>,
    /// Questions with an answer, and the batch that it becomes durable with; none if it is.
    settled: HashMap<String, (Reply, Option<Ticket>)>,
    /// All that the body does is wait.
    is_resting: bool,
    /// The invocation has left memory.
    is_over: bool,
    /// The last progress, in words.
    status: Option<String>,
    notices: Notices,
}

impl fmt::Debug for Conversation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Conversation").finish_non_exhaustive()
    }
}

/// The body's side.
impl Conversation {
    /// A run of the body begins: it comes to the questions again.
    pub(super) fn begin_run(&self) {
        let mut state = self.state.lock();
        state.open.clear();
        state.settled.retain(|_, (_, pending)| pending.is_none());
        state.is_resting = false;
    }

    /// The body has come to a question without an answer; `false` if there was another one under the same key.
    pub(super) fn ask(&self, key: &str, question: Question) -> bool {
        let mut state = self.state.lock();
        let is_new = !state.settled.contains_key(key) && !state.open.contains_key(key);
        if is_new {
            state.open.insert(key.to_owned(), Arc::new(question));
        }
        drop(state);
        self.tell_of_change();
        is_new
    }

    /// The body goes on without an answer, which is in the batch of the ticket.
    pub(super) fn withdraw(&self, key: &str, pending: Ticket) {
        let mut state = self.state.lock();
        state.open.remove(key);
        state.settled.insert(key.to_owned(), (Reply::Withdrawn, Some(pending)));
        drop(state);
        self.tell_of_change();
    }

    /// What was to be in the batch of the ticket will not be in it.
    pub(super) fn take_back(&self, pending: Ticket) {
        self.state.lock().settled.retain(|_, (_, of)| *of != Some(pending));
    }

    /// An answer that a client has given, with its number.
    pub(super) fn offer(&self, key: &str) -> Option<(u64, Reply)> {
        self.state.lock().offers.get(key).cloned()
    }

    /// An answer is none: the question stays open.
    pub(super) fn reject(&self, key: &str, offer: u64, why: String) {
        let mut state = self.state.lock();
        state.offers.remove(key);
        state.rejected.insert(offer, why);
        drop(state);
        self.tell_of_change();
    }

    /// The body goes on with this answer, which is in the batch of the ticket, or which a replay has given.
    pub(super) fn settle(&self, key: &str, reply: Reply, pending: Option<Ticket>) {
        let mut state = self.state.lock();
        state.open.remove(key);
        state.offers.remove(key);
        state.settled.insert(key.to_owned(), (reply, pending));
        drop(state);
        self.tell_of_change();
    }

    /// All batches before this one are durable. The body may have gone on with answers meanwhile that are not.
    pub(super) fn acknowledge(&self, notices: Vec<Notice>, durable: Ticket) {
        for notice in notices {
            self.tell(notice);
        }
        let mut state = self.state.lock();
        let mut has_changed = false;
        for (_, pending) in state.settled.values_mut() {
            has_changed |= pending.take_if(|pending| *pending < durable).is_some();
        }
        drop(state);
        if has_changed {
            self.tell_of_change();
        }
    }

    /// Tells clients something at once; nobody may be there.
    pub(super) fn tell(&self, notice: Notice) {
        self.remember(&notice);
        if self.with_notices(|notices| notices.push(notice)) {
            self.tell_of_change();
        }
    }

    /// Notes what clients were told by an earlier run.
    pub(super) fn remember(&self, notice: &Notice) {
        if let Notice::Progress { message: Some(message), .. } = notice {
            self.state.lock().status = Some(message.clone());
        }
    }

    /// Says whether all that the body does is wait.
    pub(super) fn rest(&self, is_resting: bool) {
        let mut state = self.state.lock();
        // An answer that it has not looked at wakes it.
        let is_resting = is_resting && !state.open.keys().any(|key| state.offers.contains_key(key));
        let has_changed = std::mem::replace(&mut state.is_resting, is_resting) != is_resting;
        drop(state);
        if has_changed {
            self.tell_of_change();
        }
    }

    /// The invocation leaves memory.
    pub(super) fn end(&self) {
        self.state.lock().is_over = true;
        self.tell_of_change();
    }

    /// Ends when there is an answer that the body has to look at.
    pub(super) async fn offered(&self) {
        let mut changed = self.changes();
        while self.state.lock().offers.is_empty() {
            if changed.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}

/// The clients' side.
impl Conversation {
    /// Tells of every change.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changed.get_or_init(|| watch::Sender::new(())).subscribe()
    }

    fn tell_of_change(&self) {
        if let Some(changed) = self.changed.get() {
            changed.send_replace(());
        }
    }

    pub(super) fn with_notices<T>(&self, look: impl FnOnce(&mut Notices) -> T) -> T {
        look(&mut self.state.lock().notices)
    }

    /// The questions that are open now.
    pub(crate) fn open(&self) -> Questions {
        self.state.lock().open.clone()
    }

    /// The open questions, once there is nothing for the body to do but wait; `None` while it works.
    pub(crate) fn open_at_rest(&self) -> Option<Questions> {
        let state = self.state.lock();
        state.is_resting.then(|| state.open.clone())
    }

    /// How many questions have an answer.
    pub(crate) fn answered(&self) -> usize {
        self.state.lock().settled.len()
    }

    /// Whether a question is over, with an answer or without.
    pub(crate) fn is_settled(&self, key: &str) -> bool {
        self.state.lock().settled.contains_key(key)
    }

    /// What the call is about just now, as its progress says.
    pub(crate) fn status(&self) -> Option<String> {
        self.state.lock().status.clone()
    }

    /// Answers questions, and waits for what becomes of each answer; `None` when the invocation leaves memory before. All
    /// are offered before the body looks at the first.
    pub(super) async fn answer(&self, replies: &BTreeMap<String, Reply>) -> Option<BTreeMap<String, Verdict>> {
        let mut changed = self.changes();
        let mut verdicts = BTreeMap::new();
        let mut offers = HashMap::new();
        loop {
            changed.borrow_and_update();
            let is_over = {
                let mut state = self.state.lock();
                for (key, reply) in replies {
                    if !verdicts.contains_key(key)
                        && let Some(verdict) = state.verdict(key, reply, offers.get(key).copied())
                    {
                        verdicts.insert(key.clone(), verdict);
                    }
                }
                if verdicts.len() == replies.len() {
                    return Some(verdicts);
                }
                let mut has_offered = false;
                for (key, reply) in replies {
                    if !verdicts.contains_key(key)
                        && !state.offers.contains_key(key)
                        && !state.settled.contains_key(key)
                    {
                        offers.insert(key.clone(), state.offer(key, reply));
                        has_offered = true;
                    }
                }
                if has_offered {
                    self.tell_of_change();
                }
                state.is_over
            };
            if is_over {
                return None;
            }
            changed.changed().await.ok()?;
        }
    }
}

impl State {
    /// What has become of an answer, if that is known; `offer` is its number, if it was offered.
    fn verdict(&mut self, key: &str, reply: &Reply, offer: Option<u64>) -> Option<Verdict> {
        if let Some((settled, pending)) = self.settled.get(key) {
            let verdict = if is_same(settled, reply) { Verdict::Recorded } else { Verdict::Conflict };
            return pending.is_none().then_some(verdict);
        }
        if let Some(why) = offer.and_then(|offer| self.rejected.remove(&offer)) {
            return Some(Verdict::Rejected(why));
        }
        if self.is_resting && !self.open.contains_key(key) {
            self.offers.remove(key);
            return Some(Verdict::Unknown);
        }
        None
    }

    fn offer(&mut self, key: &str, reply: &Reply) -> u64 {
        let number = self.next_offer;
        self.next_offer += 1;
        self.offers.insert(key.to_owned(), (number, reply.clone()));
        self.is_resting = false;
        number
    }
}

/// Whether two answers say the same, however their JSON is written.
pub(super) fn is_same(one: &Reply, other: &Reply) -> bool {
    match (one, other) {
        (Reply::Given(one), Reply::Given(other)) => {
            let read = |text: &str| serde_json::from_str::<Value>(text).ok();
            one == other || read(one).is_some_and(|one| read(other) == Some(one))
        }
        _ => one == other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question() -> Question {
        Question { request: "{}".into(), expires_at: 0 }
    }

    #[test]
    fn an_answer_is_recorded_with_its_own_batch_and_not_with_an_earlier_one() {
        let conversation = Conversation::default();
        let [earlier, own, later] = [0, 1, 2].map(Ticket::numbered);
        let answer = Reply::Given("{}".into());
        let verdict = || conversation.state.lock().verdict("q", &answer, None);
        assert!(conversation.ask("q", question()));
        conversation.settle("q", answer.clone(), Some(own));
        for durable in [earlier, own] {
            conversation.acknowledge(Vec::new(), durable);
            assert_eq!(verdict(), None);
        }
        conversation.acknowledge(Vec::new(), later);
        assert_eq!(verdict(), Some(Verdict::Recorded));
    }

    #[test]
    fn a_question_is_open_again_when_the_batch_with_its_answer_is_lost() {
        let conversation = Conversation::default();
        let [earlier, own] = [0, 1].map(Ticket::numbered);
        assert!(conversation.ask("answered", question()) && conversation.ask("withdrawn", question()));
        conversation.settle("answered", Reply::Expired, Some(own));
        conversation.withdraw("withdrawn", own);
        conversation.acknowledge(Vec::new(), earlier);
        conversation.begin_run();
        assert!(conversation.ask("answered", question()) && conversation.ask("withdrawn", question()));
    }
}
