//! What a poll of a body produces, gathered into batches.

use std::future::poll_fn;
use std::task::Poll;

use super::{Hold, Invocation, OwnedRow, State};
use crate::clock::Timestamp;
use crate::engine::retention;
use crate::id::InvocationId;
use crate::journal::codec;
use crate::journal::record::{Ended, Record, Unfinished};
use crate::store::{Batch, Keyspace};
use crate::table::overlay::Overlay;

/// What the invocation waits for before an effect: that this batch is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticket(pub(super) u64);

#[cfg(test)]
impl Ticket {
    pub(in crate::engine) fn numbered(number: u64) -> Self {
        Self(number)
    }
}

/// Records, and writes that become durable with them.
#[derive(Default)]
pub(super) struct Gathered {
    pub(super) records: Vec<Record>,
    pub(super) writes: Overlay,
}

impl Gathered {
    fn add(&mut self, record: Record, writes: Overlay) {
        self.records.push(record);
        self.writes.extend(writes);
    }

    fn append(&mut self, later: Self) {
        self.records.extend(later.records);
        self.writes.extend(later.writes);
    }

    fn forget_starts(&mut self) {
        self.records.retain(|record| !matches!(record, Record::Started { .. }));
    }
}

/// What a run's last batch says of the invocation.
pub(in crate::engine) enum BatchEnd {
    Ended(Ended),
    /// It does not go on by itself.
    Unfinished(Unfinished),
}

impl Invocation {
    /// Records that the call is cancelled and to be undone.
    pub(in crate::engine) fn record_cancellation(&self, reason: String) {
        let at = self.now().as_millis();
        self.state.lock().since.records.push(Record::Cancelled { reason, at });
    }

    /// Records that a person has ended the call.
    pub(in crate::engine) fn record_completion(&self) {
        let at = self.now().as_millis();
        self.state.lock().since.records.push(Record::Completed { at });
    }

    /// Adds to the batch that is being gathered.
    pub(crate) fn stage(&self, record: Record, writes: Overlay) -> Ticket {
        let mut state = self.state.lock();
        // The body goes on to the end of its poll, and nothing of that counts; but attempts that run in an interrupted one
        // are finished.
        let is_of_attempt = !matches!(record, Record::Started { .. } | Record::Operated { .. } | Record::Asked { .. });
        if state.halt.is_some() || state.hold == Hold::Interrupted && !is_of_attempt {
            return Ticket(state.gathering);
        }
        state.journal_bytes += record.payload_bytes();
        state.since.add(record, writes);
        if is_of_attempt {
            let since = std::mem::take(&mut state.since);
            state.gathered.append(since);
        }
        Ticket(state.gathering)
    }

    /// The ticket of all that the body has produced and seen up to now.
    fn ticket_of_everything(&self) -> Option<Ticket> {
        let state = self.state.lock();
        if state.has_gathered_nothing() {
            state.gathering.checked_sub(1).map(Ticket)
        } else {
            Some(Ticket(state.gathering))
        }
    }

    pub(super) fn is_durable(&self, ticket: Ticket) -> bool {
        ticket.0 < self.state.lock().durable
    }

    /// Ends when the batch of the ticket is durable. The driver polls the whole body after every commit, so there is no
    /// waker to keep.
    pub(crate) async fn durable(&self, ticket: Ticket) {
        if self.is_durable(ticket) {
            return;
        }
        let _awaiting = self.begin_awaiting_commit();
        poll_fn(|_| if self.is_durable(ticket) && !self.is_interrupted() { Poll::Ready(()) } else { Poll::Pending })
            .await;
    }

    /// Ends when an attempt may start: all that the body has seen is durable, the invocation is not interrupted, and the
    /// server is not stopping.
    pub(crate) async fn permission_to_start(&self) {
        if let Some(ticket) = self.ticket_of_everything() {
            self.durable(ticket).await;
        }
        if self.is_held_back() {
            self.suspend().await;
        }
    }

    /// From now on waits of the body do not end, and no attempt starts.
    pub(in crate::engine) fn interrupt(&self) {
        let mut state = self.state.lock();
        state.hold = Hold::Interrupted;
        // Their attempts have not begun, for these are not durable; recorded they would be in doubt for nothing.
        state.gathered.forget_starts();
        state.since.forget_starts();
    }

    /// Forgets what the body has produced since the last batch and since the last attempt that ended: the body panicked, and is
    /// run again. An end is not forgotten, for the effect has happened; nor is what was there before, on which it may depend.
    pub(in crate::engine) fn forget_unfinished_poll(&self) {
        let mut state = self.state.lock();
        state.gathered.forget_starts();
        state.since = Gathered::default();
        state.transactions.clear();
        state.notices.clear();
        // This run has not done better than those before it.
        state.was_unclean = false;
        // What of its questions is kept is recalled by the next run.
        self.conversation.take_back(Ticket(state.gathering));
    }

    /// When the wait ends for which the body is dropped; `None` while it does anything but wait for long.
    pub(in crate::engine) fn evicted_until(&self) -> Option<Timestamp> {
        self.long_rest(&self.state.lock())
    }

    fn long_rest(&self, state: &State) -> Option<Timestamp> {
        let rests_until = state.activity.rests_until()?;
        let until = self.deadline.map_or(rests_until, |deadline| rests_until.min(deadline.at));
        let long = self.now().after(self.surroundings.limits.evict_after);
        Some(until).filter(|until| *until >= long)
    }

    /// The row of the invocation that the batch puts, if it changes.
    fn next_unfinished(&self, state: &State, end: Option<&BatchEnd>) -> Option<Vec<u8>> {
        let running = |rows_then, wake_at: Option<Timestamp>| Unfinished::Running {
            unclean_ends: 0,
            rows_then,
            wake_at: wake_at.map(Timestamp::as_millis),
        };
        let row = match end {
            Some(BatchEnd::Ended(_)) => return None,
            Some(BatchEnd::Unfinished(unfinished)) => codec::encode(unfinished),
            None => {
                if let Some(until) = self.long_rest(state) {
                    codec::encode(&running(0, Some(until)))
                } else {
                    let is_new = matches!(state.owned_row, OwnedRow::None { .. });
                    // After runs that ended uncleanly the body has come to where it only waits: it was not the body then.
                    let is_cleared = state.was_unclean && state.activity.rests_until().is_some();
                    // An answer came while it waited outside of memory: from now on it is not to wait for the end of that.
                    let is_awake = state.sleeps_in_store && !state.has_gathered_nothing();
                    if !is_new && !is_cleared && !is_awake {
                        return None;
                    }
                    codec::encode(&running(state.next_row, None))
                }
            }
        };
        match &state.owned_row {
            OwnedRow::Stored(stored) if *stored == row => None,
            _ => Some(row),
        }
    }

    /// Takes what has gathered, as a batch; `None` when there is nothing to commit.
    pub(in crate::engine) fn take_batch(&self, end: Option<&BatchEnd>) -> Option<Batch> {
        let mut state = self.state.lock();
        if end.is_none() && state.activity.has_read() {
            return None;
        }
        let unfinished = self.next_unfinished(&state, end);
        if end.is_none() && unfinished.is_none() && state.has_gathered_nothing() {
            return None;
        }
        // Anything new in the journal resets the count too.
        state.was_unclean = false;
        let mut batch = Batch::default();
        let row_key = self.id.as_bytes().to_vec();
        match &state.owned_row {
            OwnedRow::None { key, name } => {
                batch.writes.extend(name.clone());
                if let Some((key, used)) = key {
                    batch.guard(Keyspace::IdempotencyKey, key.clone(), None);
                    batch.put(Keyspace::IdempotencyKey, key.clone(), codec::encode(used));
                }
            }
            OwnedRow::Stored(row) => batch.guard(Keyspace::Unfinished, row_key.clone(), Some(row.clone())),
        }
        if matches!((end, &state.owned_row), (Some(BatchEnd::Ended(_)), OwnedRow::Stored(_))) {
            batch.delete(Keyspace::Unfinished, row_key.clone());
        }
        if let Some(row) = unfinished {
            state.sleeps_in_store = end.is_none() && self.long_rest(&state).is_some();
            batch.put(Keyspace::Unfinished, row_key, row.clone());
            state.owned_row = OwnedRow::Stored(row);
        }
        let since = std::mem::take(&mut state.since);
        state.gathered.append(since);
        let Gathered { records, writes } = std::mem::take(&mut state.gathered);
        let transactions = std::mem::take(&mut state.transactions);
        if !transactions.is_empty() {
            let journal_key = journal_key(self.id, state.next_row);
            state.next_row += 1;
            batch.transaction = Some(self.transaction(transactions, records, journal_key));
        } else if !records.is_empty() {
            batch.put(Keyspace::Journal, journal_key(self.id, state.next_row), codec::encode(&records));
            state.next_row += 1;
        }
        if let Some(BatchEnd::Ended(ended)) = end {
            retention::put_result(&mut batch, self.id, ended, state.next_row, self.key_row.as_deref());
        }
        state.writes_in_flight = writes.clone();
        for (key, value) in writes.into_rows() {
            match value {
                Some(value) => batch.put(Keyspace::Table, key, value),
                None => batch.delete(Keyspace::Table, key),
            }
        }
        state.gathering += 1;
        Some(batch)
    }

    /// The batch that was taken last is durable.
    pub(in crate::engine) fn acknowledge(&self) {
        let mut state = self.state.lock();
        state.durable = state.gathering;
        state.writes_in_flight.clear();
        let durable = Ticket(state.durable);
        let notices = state.notices.extract_if(.., |(ticket, _)| *ticket < durable).map(|(_, notice)| notice).collect();
        drop(state);
        self.admitted.send_if_modified(|admitted| !std::mem::replace(admitted, true));
        if let Some(proof) = &self.proof {
            proof.send_replace(true);
        }
        self.conversation.acknowledge(notices, durable);
    }
}

impl State {
    pub(super) fn has_gathered_nothing(&self) -> bool {
        self.gathered.records.is_empty() && self.since.records.is_empty() && self.transactions.is_empty()
    }
}

/// The key of a journal's row: rows of one invocation lie together, in their order.
pub(in crate::engine) fn journal_key(id: InvocationId, row: u32) -> Vec<u8> {
    [id.as_bytes().as_slice(), &row.to_be_bytes()].concat()
}
