//! The invocations in memory, and the idempotency keys they were called with.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::watch;

use super::answer::{Answer, Coming};
use super::conversation::Conversation;
use super::interruption::{Interruption, InterruptionSignal};
use super::notice::Listener;
use crate::id::InvocationId;
use crate::journal::record::KeyUse;

struct Live {
    answer: watch::Sender<Option<Answer>>,
    interruption: watch::Sender<Option<Interruption>>,
    key: Option<Vec<u8>>,
    /// Whether its admission is durable.
    admitted: watch::Sender<bool>,
    conversation: Arc<Conversation>,
    /// Whether a run has shown that it does better than those before it, which ended uncleanly. Only of suspects.
    proof: Option<watch::Sender<bool>>,
    /// Whether it was to be taken up while it was here.
    was_due: bool,
}

impl Live {
    fn new(key: Option<Vec<u8>>, is_admitted: bool) -> Self {
        Self {
            answer: watch::Sender::new(None),
            interruption: watch::Sender::new(None),
            key,
            admitted: watch::Sender::new(is_admitted),
            conversation: Arc::default(),
            proof: None,
            was_due: false,
        }
    }

    fn coming(&self) -> Coming {
        Coming {
            answer: self.answer.subscribe(),
            admitted: self.admitted.subscribe(),
            conversation: Arc::clone(&self.conversation),
            notices: Some(Listener::new(Arc::clone(&self.conversation))),
        }
    }
}

#[derive(Default)]
struct Entries {
    live: HashMap<InvocationId, Live>,
    keys: HashMap<Vec<u8>, KeyUse>,
}

impl Entries {
    /// Forgets a key, unless another invocation uses it by now.
    fn forget_key(&mut self, key: &[u8], id: InvocationId) {
        if self.keys.get(key).is_some_and(|used| used.invocation == *id.as_bytes()) {
            self.keys.remove(key);
        }
    }
}

/// One body of an invocation lives at a time: whoever enters an id here runs it.
#[derive(Default)]
pub(super) struct Directory {
    entries: Mutex<Entries>,
}

impl Directory {
    /// Enters an invocation of the store, and gives where its answer will come; `None` when it is in memory already.
    pub(super) fn enter(&self, id: InvocationId) -> Option<Coming> {
        let mut entries = self.entries.lock();
        if entries.live.contains_key(&id) {
            return None;
        }
        let live = Live::new(None, true);
        let coming = live.coming();
        entries.live.insert(id, live);
        Some(coming)
    }

    /// Enters an invocation that nobody waits for; `false` when it is in memory already.
    pub(super) fn claim(&self, id: InvocationId) -> bool {
        match self.entries.lock().live.entry(id) {
            Entry::Occupied(mut occupied) => {
                occupied.get_mut().was_due = true;
                false
            }
            Entry::Vacant(vacant) => {
                vacant.insert(Live::new(None, true));
                true
            }
        }
    }

    /// Enters a call that is new, and gives where its answer will come, and where it is told that it is admitted.
    pub(super) fn enter_new(&self, id: InvocationId, key: Option<(Vec<u8>, KeyUse)>) -> (Coming, watch::Sender<bool>) {
        let mut entries = self.entries.lock();
        let key = key.map(|(key, used)| {
            entries.keys.insert(key.clone(), used);
            key
        });
        let live = Live::new(key, false);
        let (coming, admitted) = (live.coming(), live.admitted.clone());
        entries.live.insert(id, live);
        (coming, admitted)
    }

    pub(super) fn len(&self) -> usize {
        self.entries.lock().live.len()
    }

    pub(super) fn coming(&self, id: InvocationId) -> Option<Coming> {
        self.entries.lock().live.get(&id).map(Live::coming)
    }

    /// Interrupts an invocation in memory, and gives where its answer will come; `None` when it is not. The first interruption
    /// counts.
    pub(super) fn interrupt(&self, id: InvocationId, interruption: &Interruption) -> Option<Coming> {
        let entries = self.entries.lock();
        let live = entries.live.get(&id)?;
        live.interruption.send_if_modified(|told| {
            let counts = told.as_ref().is_none_or(|first| interruption.outdoes(first));
            if counts {
                *told = Some(interruption.clone());
            }
            counts
        });
        Some(live.coming())
    }

    /// Whether anybody waits for an invocation in memory.
    pub(super) fn is_watched(&self, id: InvocationId) -> bool {
        self.entries.lock().live.get(&id).is_some_and(|live| live.answer.receiver_count() > 0)
    }

    /// The suspension of an invocation is durable: from now on it may be taken up again. Another interruption that came
    /// meanwhile stays.
    pub(super) fn suspended(&self, id: InvocationId) {
        if let Some(live) = self.entries.lock().live.get(&id) {
            live.interruption
                .send_if_modified(|told| told.take_if(|told| matches!(told, Interruption::Suspended { .. })).is_some());
        }
    }

    /// The cancellation of an invocation is durable, and what it did is being undone: nothing interrupts that.
    pub(super) fn taken_up(&self, id: InvocationId) {
        if let Some(live) = self.entries.lock().live.get(&id) {
            live.interruption.send_replace(None);
        }
    }

    /// Where an invocation in memory is told that it is interrupted.
    pub(super) fn interruption(&self, id: InvocationId) -> Option<InterruptionSignal> {
        self.entries.lock().live.get(&id).map(|live| InterruptionSignal::new(live.interruption.subscribe()))
    }

    /// Where a run of a suspect in memory shows that it does better than those before it.
    pub(super) fn proof(&self, id: InvocationId) -> Option<watch::Sender<bool>> {
        self.entries.lock().live.get(&id)?.proof.clone()
    }

    /// Says of an invocation in memory that it is a suspect, and gives where its next run shows that it does better.
    pub(super) fn suspect(&self, id: InvocationId) -> Option<watch::Receiver<bool>> {
        let mut entries = self.entries.lock();
        Some(entries.live.get_mut(&id)?.proof.get_or_insert_with(|| watch::Sender::new(false)).subscribe())
    }

    /// What an invocation in memory and its clients say to each other.
    pub(super) fn conversation(&self, id: InvocationId) -> Option<Arc<Conversation>> {
        self.entries.lock().live.get(&id).map(|live| Arc::clone(&live.conversation))
    }

    /// How a key is used by an invocation in memory.
    pub(super) fn key_use(&self, key: &[u8]) -> Option<KeyUse> {
        self.entries.lock().keys.get(key).cloned()
    }

    /// From now on a key is one for another invocation than this one.
    pub(super) fn forget_key(&self, key: &[u8], id: InvocationId) {
        self.entries.lock().forget_key(key, id);
    }

    /// Answers all who wait, and forgets the invocation: it has ended, or this process does no more for it. Gives whether it was to
    /// be taken up meanwhile.
    pub(super) fn leave(&self, id: InvocationId, answer: Answer) -> bool {
        let mut entries = self.entries.lock();
        let Some(live) = entries.live.remove(&id) else { return false };
        if let Some(key) = live.key {
            entries.forget_key(&key, id);
        }
        live.answer.send_replace(Some(answer));
        live.conversation.end();
        live.was_due
    }

    /// Ends when nobody waits for the invocation.
    pub(super) async fn unwatched(&self, id: InvocationId) {
        let answer = self.entries.lock().live.get(&id).map(|live| live.answer.clone());
        if let Some(answer) = answer {
            answer.closed().await;
        }
    }

    /// Forgets the invocation, if nobody waits for it and it is not interrupted.
    pub(super) fn leave_unwatched(&self, id: InvocationId) -> bool {
        let mut entries = self.entries.lock();
        let is_unwatched = entries
            .live
            .get(&id)
            .is_some_and(|live| live.answer.receiver_count() == 0 && live.interruption.borrow().is_none());
        if is_unwatched && let Some(live) = entries.live.remove(&id) {
            live.conversation.end();
            if let Some(key) = live.key {
                entries.forget_key(&key, id);
            }
        }
        is_unwatched
    }

    /// Answers all who wait now; who comes later waits for the next run.
    pub(super) fn defer(&self, id: InvocationId, answer: Answer) {
        let mut entries = self.entries.lock();
        let Some(live) = entries.live.get_mut(&id) else { return };
        let (next, _) = watch::channel(None);
        std::mem::replace(&mut live.answer, next).send_replace(Some(answer));
    }
}
