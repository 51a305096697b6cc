//! One invocation in memory: what its body, its steps and its driver share.

use std::collections::{HashMap, HashSet};
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use parking_lot::Mutex;

use super::limit::Limits;
use crate::clock::{Clock, Timestamp};
use crate::id::InvocationId;
use crate::journal::codec;
use crate::journal::identity::Identity;
use crate::journal::record::{Admission, Ended, KeyUse, Record, Unfinished};
use crate::journal::replay::History;
use crate::store::{Batch, Keyspace, Row, Scan, Store, StoreError};
use crate::table::operation::{self, ReadRequest};
use crate::table::overlay::Overlay;

/// Why a body is not polled again in this run.
#[derive(Clone, Debug)]
pub(crate) enum Halt {
    /// It needs a person.
    Park { code: String, reason: String },
    /// The store did not answer. It is run again.
    StoreFailed(StoreError),
}

/// What the invocation waits for before an effect: that this batch is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticket(u64);

/// A row of the keyspace `unfinished`, as this process last wrote or read it. Every batch is guarded by it, so that one
/// process at a time can go on with an invocation.
pub(crate) enum OwnedRow {
    /// The invocation is not in the store yet.
    None { key: Option<(Vec<u8>, KeyUse)> },
    /// It is, with this row.
    Stored(Vec<u8>),
}

struct State {
    /// Records and writes of the batch that is being gathered.
    records: Vec<Record>,
    writes: Overlay,
    /// Writes of the batch that is being committed.
    writes_in_flight: Overlay,
    /// The number of the batch that is being gathered, and of batches that are durable.
    gathering: u64,
    durable: u64,
    /// The number of the next row of the journal.
    next_row: u32,
    owned_row: OwnedRow,
    /// What this run of the body has come to.
    claimed: HashSet<Identity>,
    occurrences: HashMap<Identity, u32>,
    halt: Option<Halt>,
    /// An attempt is being polled just now.
    in_attempt: bool,
    attempts_running: u32,
    /// Reads of the body that are under way.
    reads_running: u32,
    stopping: bool,
    /// The last runs of the invocation ended uncleanly, and this one has not shown yet that it does better.
    was_unclean: bool,
}

impl State {
    /// Whether the body, after runs that ended uncleanly, has come to where it only waits: it was not the body then.
    fn resets_count(&self) -> bool {
        self.was_unclean
            && self.records.is_empty()
            && self.attempts_running == 0
            && self.reads_running == 0
            && self.durable == self.gathering
    }
}

/// What all invocations of an engine use.
pub(crate) struct Surroundings {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) limits: Limits,
}

/// One run of one invocation.
pub(crate) struct Invocation {
    pub(crate) id: InvocationId,
    pub(crate) surroundings: Arc<Surroundings>,
    history: History,
    /// It was in the store when this run began.
    was_stored: bool,
    state: Mutex<State>,
}

impl Invocation {
    /// A call that is not yet in the store: its admission is the first record of its first batch.
    pub(crate) fn admit(
        id: InvocationId,
        surroundings: Arc<Surroundings>,
        admission: Admission,
        key: Option<(Vec<u8>, KeyUse)>,
    ) -> Self {
        let records = vec![Record::Admitted(admission.clone())];
        Self::new(
            id,
            surroundings,
            History::new(admission),
            records,
            0,
            OwnedRow::None { key },
        )
    }

    /// An invocation as the store has it; `was_unclean` if its last run ended uncleanly.
    pub(crate) fn resume(
        id: InvocationId,
        surroundings: Arc<Surroundings>,
        history: History,
        next_row: u32,
        owned_row: Vec<u8>,
        was_unclean: bool,
    ) -> Self {
        let owned_row = OwnedRow::Stored(owned_row);
        let invocation = Self::new(id, surroundings, history, Vec::new(), next_row, owned_row);
        invocation.state.lock().was_unclean = was_unclean;
        invocation
    }

    fn new(
        id: InvocationId,
        surroundings: Arc<Surroundings>,
        history: History,
        records: Vec<Record>,
        next_row: u32,
        owned_row: OwnedRow,
    ) -> Self {
        Self {
            id,
            surroundings,
            history,
            was_stored: matches!(owned_row, OwnedRow::Stored(_)),
            state: Mutex::new(State {
                records,
                writes: Overlay::default(),
                writes_in_flight: Overlay::default(),
                gathering: 0,
                durable: 0,
                next_row,
                owned_row,
                claimed: HashSet::new(),
                occurrences: HashMap::new(),
                halt: None,
                in_attempt: false,
                attempts_running: 0,
                reads_running: 0,
                stopping: false,
                was_unclean: false,
            }),
        }
    }

    pub(crate) fn history(&self) -> &History {
        &self.history
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.surroundings.clock.now()
    }

    // What bodies and steps do.

    /// Takes an identity for a step. A second step of the same identity would be given the first one's outcome, so the
    /// invocation is parked instead; `false` then.
    pub(crate) fn claim_step(&self, identity: &Identity) -> bool {
        if self.is_misused(&format!("the step `{identity}`")) || !self.state.lock().claimed.insert(identity.clone()) {
            self.park(
                "duplicate_step",
                format!(
                    "the step `{identity}` was reached twice in one call; give each round of a loop a `key` of its own, and \
                     each marker a `name`"
                ),
            );
            return false;
        }
        self.is_within_step_limit(identity)
    }

    /// Gives an operation of the body its identity: of several with one name and key, each after the first is numbered.
    pub(crate) fn claim_operation(&self, mut identity: Identity) -> Option<Identity> {
        if self.is_misused(&format!("the operation `{identity}`")) {
            return None;
        }
        {
            let mut state = self.state.lock();
            let occurrence = state.occurrences.entry(identity.clone()).or_insert(0);
            *occurrence += 1;
            if *occurrence > 1 {
                identity.name = format!("{}#{occurrence}", identity.name);
            }
            state.claimed.insert(identity.clone());
        }
        self.is_within_step_limit(&identity).then_some(identity)
    }

    fn is_within_step_limit(&self, identity: &Identity) -> bool {
        let limit = self.surroundings.limits.steps;
        if self.state.lock().claimed.len() <= limit {
            return true;
        }
        self.park(
            "too_many_steps",
            format!("`{identity}` would be one step more than the {limit} that a call may make; split the work into several calls"),
        );
        false
    }

    /// Whether the body's context is used while an attempt is polled, which would make an effect inside an effect.
    fn is_misused(&self, what: &str) -> bool {
        let misused = self.state.lock().in_attempt;
        if misused {
            self.park(
                "body_context_in_step",
                format!(
                    "{what} was begun with the tool's context inside an attempt of a step; inside a step use the step's own \
                     context, which `cx` names there"
                ),
            );
        }
        misused
    }

    /// Adds to the batch that is being gathered.
    pub(crate) fn stage(&self, record: Record, writes: Overlay) -> Ticket {
        let mut state = self.state.lock();
        state.records.push(record);
        state.writes.extend(writes);
        Ticket(state.gathering)
    }

    /// The ticket of all that the body has produced and seen up to now.
    fn ticket_of_everything(&self) -> Option<Ticket> {
        let state = self.state.lock();
        if state.records.is_empty() {
            state.gathering.checked_sub(1).map(Ticket)
        } else {
            Some(Ticket(state.gathering))
        }
    }

    fn is_durable(&self, ticket: Ticket) -> bool {
        ticket.0 < self.state.lock().durable
    }

    /// Ends when the batch of the ticket is durable. The driver polls the whole body after every commit, so there is no
    /// waker to keep.
    pub(crate) async fn durable(&self, ticket: Ticket) {
        poll_fn(|_| {
            if self.is_durable(ticket) {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }

    /// Ends when an attempt may start: all that the body has seen is durable, and the server is not stopping.
    pub(crate) async fn permission_to_start(&self) {
        if let Some(ticket) = self.ticket_of_everything() {
            self.durable(ticket).await;
        }
        if self.is_stopping() {
            self.suspend().await;
        }
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.state.lock().stopping
    }

    /// Never ends: the body is dropped where it stands.
    pub(crate) async fn suspend(&self) -> ! {
        std::future::pending::<std::convert::Infallible>().await;
        unreachable!("a pending future does not end")
    }

    /// Ends this run: the invocation needs a person. The first reason counts.
    pub(crate) fn park(&self, code: impl Into<String>, reason: impl Into<String>) {
        self.halt(Halt::Park {
            code: code.into(),
            reason: reason.into(),
        });
    }

    fn halt(&self, halt: Halt) {
        self.state.lock().halt.get_or_insert(halt);
    }

    /// Reads a table as it will be when all writes of this invocation are durable; `own` are those of an attempt. Does not
    /// end when the store fails: that is no value for the author's code, and the invocation is run again.
    pub(crate) async fn read(&self, request: ReadRequest, own: Option<Overlay>) -> Vec<Row> {
        let written = |scan: &Scan| {
            let state = self.state.lock();
            let mut over = state.writes_in_flight.within(scan);
            over.extend(state.writes.within(scan));
            over.extend(own.unwrap_or_default());
            over
        };
        match operation::answer(&*self.surroundings.store, request, written).await {
            Ok(rows) => rows,
            Err(error) => {
                self.halt(Halt::StoreFailed(error));
                self.suspend().await
            }
        }
    }

    /// Marks that an attempt is being polled, or no longer.
    pub(crate) fn set_in_attempt(&self, in_attempt: bool) {
        self.state.lock().in_attempt = in_attempt;
    }

    pub(crate) fn attempt_started(&self) {
        self.state.lock().attempts_running += 1;
    }

    pub(crate) fn attempt_ended(&self) {
        self.state.lock().attempts_running -= 1;
    }

    /// A read of the body begins: until it is dropped, what has gathered is not committed, for what the body does with the
    /// rows is about to join it. That is why reads cost no commit.
    pub(crate) fn begin_read(&self) -> ReadRunning<'_> {
        self.state.lock().reads_running += 1;
        ReadRunning(self)
    }

    // What the driver does.

    pub(super) fn halted(&self) -> Option<Halt> {
        self.state.lock().halt.clone()
    }

    /// From now on no attempt starts.
    pub(super) fn stop(&self) {
        self.state.lock().stopping = true;
    }

    /// Whether this run can be dropped without putting an attempt in doubt or losing what is recorded of one.
    pub(super) fn is_at_rest(&self) -> bool {
        let state = self.state.lock();
        state.attempts_running == 0 && state.records.is_empty()
    }

    /// Whether the call's admission is durable.
    pub(super) fn is_admitted(&self) -> bool {
        self.was_stored || self.state.lock().durable > 0
    }

    /// How many rows the journal has.
    pub(super) fn rows(&self) -> u32 {
        self.state.lock().next_row
    }

    /// Forgets what the body has produced since the last batch, but for the call's admission: the body panicked, and is run
    /// again.
    pub(super) fn forget_unfinished_poll(&self) {
        let mut state = self.state.lock();
        state.records.retain(|record| matches!(record, Record::Admitted(_)));
        state.writes.clear();
        // This run has not done better than those before it.
        state.was_unclean = false;
    }

    /// Takes what has gathered, as a batch; `None` when there is nothing to commit.
    pub(super) fn take_batch(&self, end: Option<&BatchEnd>) -> Option<Batch> {
        let mut state = self.state.lock();
        let resets_count = end.is_none() && state.resets_count();
        if end.is_none() && !resets_count && (state.records.is_empty() || state.reads_running > 0) {
            return None;
        }
        // Anything new in the journal resets the count too.
        state.was_unclean = false;
        let mut batch = Batch::default();
        let unfinished = match end {
            Some(BatchEnd::Parked(parked)) => Some(codec::encode(parked)),
            None if resets_count || matches!(state.owned_row, OwnedRow::None { .. }) => {
                Some(codec::encode(&Unfinished::Running {
                    unclean_ends: 0,
                    rows_then: state.next_row,
                }))
            }
            Some(BatchEnd::Ended(_)) | None => None,
        };
        let row_key = self.id.as_bytes().to_vec();
        match &state.owned_row {
            OwnedRow::None { key } => {
                if let Some((key, used)) = key {
                    batch.guard(Keyspace::IdempotencyKey, key.clone(), None);
                    batch.put(Keyspace::IdempotencyKey, key.clone(), codec::encode(used));
                }
            }
            OwnedRow::Stored(row) => batch.guard(Keyspace::Unfinished, row_key.clone(), Some(row.clone())),
        }
        let is_stored = matches!(state.owned_row, OwnedRow::Stored(_));
        if let Some(row) = unfinished {
            batch.put(Keyspace::Unfinished, row_key.clone(), row.clone());
            state.owned_row = OwnedRow::Stored(row);
        }
        if let Some(BatchEnd::Ended(ended)) = end {
            batch.put(Keyspace::Result, row_key.clone(), codec::encode(ended));
            if is_stored {
                batch.delete(Keyspace::Unfinished, row_key);
            }
        }
        let records = std::mem::take(&mut state.records);
        if !records.is_empty() {
            batch.put(
                Keyspace::Journal,
                journal_key(self.id, state.next_row),
                codec::encode(&records),
            );
            state.next_row += 1;
        }
        let writes = std::mem::take(&mut state.writes);
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
    pub(super) fn acknowledge(&self) {
        let mut state = self.state.lock();
        state.durable = state.gathering;
        state.writes_in_flight.clear();
    }
}

/// A read of the body that is under way.
pub(crate) struct ReadRunning<'a>(&'a Invocation);

impl Drop for ReadRunning<'_> {
    fn drop(&mut self) {
        self.0.state.lock().reads_running -= 1;
    }
}

/// What a run's last batch says of the invocation.
pub(super) enum BatchEnd {
    Ended(Ended),
    Parked(Unfinished),
}

/// The key of a journal's row: rows of one invocation lie together, in their order.
pub(super) fn journal_key(id: InvocationId, row: u32) -> Vec<u8> {
    let mut key = id.as_bytes().to_vec();
    key.extend_from_slice(&row.to_be_bytes());
    key
}
