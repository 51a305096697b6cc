//! One invocation in memory: what its body, its steps and its driver share.

mod activity;
mod batch;
mod identity;
mod question;
mod transaction;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::watch;

use self::activity::Activity;
use self::batch::Gathered;
pub(in crate::engine) use self::batch::{BatchEnd, Ticket, journal_key};
use self::transaction::Staged;
pub(crate) use self::transaction::TransactionEnd;
use super::conversation::Conversation;
use super::deadline::Deadline;
use super::limit::Limits;
use super::notice::Notice;
use crate::chance::Chance;
use crate::clock::{Clock, Timestamp};
use crate::id::InvocationId;
use crate::journal::identity::Identity;
use crate::journal::record::{Admission, KeyUse, Record};
use crate::journal::replay::History;
use crate::store::{Row, Store, StoreError, Write};
use crate::table::operation::{self, GetRequest, ReadRequest};
use crate::table::overlay::{self, Overlay};
use crate::uuid7::Generator;

/// Why a body is not polled again in this run.
#[derive(Clone, Debug)]
pub(crate) enum Halt {
    /// It needs a person.
    Park { code: String, reason: String },
    /// The store did not answer. It is run again.
    StoreFailed(StoreError),
}

/// A row of the keyspace `unfinished`, as this process last wrote or read it. Every batch is guarded by it, so that one
/// process at a time can go on with an invocation.
pub(crate) enum OwnedRow {
    /// The invocation is not in the store yet.
    None { key: Option<(Vec<u8>, KeyUse)>, name: Option<Write> },
    /// It is, with this row.
    Stored(Vec<u8>),
}

/// What keeps a body from going further than it has.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Hold {
    None,
    /// The server stops: no attempt starts.
    Stopping,
    /// The invocation is about to end without its body: no attempt starts, and no wait ends.
    Interrupted,
}

struct State {
    /// What the batch that is being gathered has, up to the last end of an attempt, and since then.
    gathered: Gathered,
    since: Gathered,
    transactions: Vec<Staged>,
    /// What clients are told when the batch of the ticket is durable.
    notices: Vec<(Ticket, Notice)>,
    /// Writes of the batch that is being committed.
    writes_in_flight: Overlay,
    /// The number of the batch that is being gathered, and of batches that are durable.
    gathering: u64,
    durable: u64,
    /// The number of the next row of the journal.
    next_row: u32,
    /// How large the journal is, nearly, with what is about to join it.
    journal_bytes: usize,
    owned_row: OwnedRow,
    /// What this run of the body has come to.
    steps_claimed: HashSet<Identity>,
    operations_claimed: HashSet<Identity>,
    /// Questions without an answer.
    waiting_for: BTreeSet<Identity>,
    /// Scopes of branches that lost: nothing in them is come to again.
    passed_over: Vec<String>,
    occurrences: HashMap<Identity, u32>,
    halt: Option<Halt>,
    /// An attempt is being polled just now.
    in_attempt: bool,
    activity: Activity,
    hold: Hold,
    /// The last runs of the invocation ended uncleanly, and this one has not shown yet that it does better.
    was_unclean: bool,
    /// Its row says that it is not to be run before some time.
    sleeps_in_store: bool,
}

/// What all invocations of an engine use.
pub(crate) struct Surroundings {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) chance: Arc<dyn Chance>,
    pub(crate) limits: Limits,
    /// Makes the keys of the audit logs' entries.
    pub(crate) audit_keys: Generator,
}

/// One run of one invocation.
pub(crate) struct Invocation {
    pub(crate) id: InvocationId,
    pub(crate) surroundings: Arc<Surroundings>,
    history: History,
    /// It was in the store when this run began.
    was_stored: bool,
    /// Tells those who wait that the admission is durable.
    admitted: watch::Sender<bool>,
    deadline: Option<Deadline>,
    conversation: Arc<Conversation>,
    /// The row of the idempotency key that it was called with.
    key_row: Option<Vec<u8>>,
    proof: Option<watch::Sender<bool>>,
    state: Mutex<State>,
}

impl Invocation {
    /// A call that is not yet in the store: its admission is the first record of its first batch.
    pub(crate) fn admit(
        id: InvocationId,
        surroundings: Arc<Surroundings>,
        admission: Arc<Admission>,
        key: Option<(Vec<u8>, KeyUse)>,
        name: Option<Write>,
        admitted: watch::Sender<bool>,
    ) -> Self {
        let records = vec![Record::Admitted(Arc::clone(&admission))];
        Self::new(id, surroundings, History::new(admission), records, 0, OwnedRow::None { key, name }, admitted)
    }

    /// An invocation as the store has it; `was_unclean` if its last run ended uncleanly, `sleeps_in_store` if its
    /// row says that it is not to be run before some time.
    pub(crate) fn resume(
        id: InvocationId,
        surroundings: Arc<Surroundings>,
        history: History,
        next_row: u32,
        owned_row: Vec<u8>,
        (was_unclean, sleeps_in_store): (bool, bool),
    ) -> Self {
        let owned_row = OwnedRow::Stored(owned_row);
        let (admitted, _) = watch::channel(true);
        let invocation = Self::new(id, surroundings, history, Vec::new(), next_row, owned_row, admitted);
        {
            let mut state = invocation.state.lock();
            state.was_unclean = was_unclean;
            state.sleeps_in_store = sleeps_in_store;
        }
        invocation
    }

    fn new(
        id: InvocationId,
        surroundings: Arc<Surroundings>,
        history: History,
        records: Vec<Record>,
        next_row: u32,
        owned_row: OwnedRow,
        admitted: watch::Sender<bool>,
    ) -> Self {
        Self {
            id,
            surroundings,
            history,
            was_stored: matches!(owned_row, OwnedRow::Stored(_)),
            admitted,
            deadline: None,
            conversation: Arc::default(),
            key_row: None,
            proof: None,
            state: Mutex::new(State {
                gathered: Gathered { records, ..Gathered::default() },
                since: Gathered::default(),
                transactions: Vec::new(),
                notices: Vec::new(),
                writes_in_flight: Overlay::default(),
                gathering: 0,
                durable: 0,
                next_row,
                journal_bytes: 0,
                owned_row,
                steps_claimed: HashSet::new(),
                operations_claimed: HashSet::new(),
                waiting_for: BTreeSet::new(),
                passed_over: Vec::new(),
                occurrences: HashMap::new(),
                halt: None,
                in_attempt: false,
                activity: Activity::default(),
                hold: Hold::None,
                was_unclean: false,
                sleeps_in_store: false,
            }),
        }
    }

    pub(crate) fn history(&self) -> &History {
        &self.history
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.surroundings.clock.now()
    }

    /// Gives the invocation a deadline.
    pub(super) fn with_deadline(self, deadline: Option<Deadline>) -> Self {
        Self { deadline, ..self }
    }

    /// Says under which idempotency key it was called.
    pub(super) fn with_key_row(self, key_row: Option<Vec<u8>>) -> Self {
        Self { key_row, ..self }
    }

    /// Says how large its journal is.
    pub(super) fn with_journal_bytes(self, bytes: usize) -> Self {
        self.state.lock().journal_bytes = bytes;
        self
    }

    /// Lets somebody know when this run has shown that it does better than those before it.
    pub(super) fn with_proof(self, proof: Option<watch::Sender<bool>>) -> Self {
        Self { proof, ..self }
    }

    /// Lets clients take part in the conversation.
    pub(super) fn with_conversation(self, conversation: Arc<Conversation>) -> Self {
        Self { conversation, ..self }
    }

    pub(super) fn deadline(&self) -> Option<Deadline> {
        self.deadline
    }

    /// Whether no attempt starts any more.
    pub(crate) fn is_held_back(&self) -> bool {
        let state = self.state.lock();
        // Of a run that is halted nothing more is recorded.
        state.hold != Hold::None || state.halt.is_some()
    }

    fn is_interrupted(&self) -> bool {
        self.state.lock().hold == Hold::Interrupted
    }

    pub(super) fn has_attempt(&self) -> bool {
        self.state.lock().activity.has_attempt()
    }

    /// Never ends: the body is dropped where it stands.
    pub(crate) async fn suspend(&self) -> ! {
        std::future::pending::<std::convert::Infallible>().await;
        unreachable!("a pending future does not end")
    }

    /// Ends this run: the invocation needs a person. The first reason counts.
    pub(crate) fn park(&self, code: impl Into<String>, reason: impl Into<String>) {
        self.halt(Halt::Park { code: code.into(), reason: reason.into() });
    }

    fn halt(&self, halt: Halt) {
        self.state.lock().halt.get_or_insert(halt);
    }

    /// Reads a table as it will be when all writes of this invocation are durable; `own` are those of an attempt. Does not
    /// end when the store fails: that is no value for the author's code, and the invocation is run again.
    pub(crate) async fn read(&self, request: ReadRequest, own: Option<Overlay>) -> Vec<Row> {
        let over = self.written(own, |writes| writes.within(&request.scan));
        self.answered(operation::answer(&*self.surroundings.store, request, over)).await
    }

    /// The same for the values of some keys.
    pub(crate) async fn get_many(&self, request: GetRequest, own: Option<Overlay>) -> Vec<Option<Vec<u8>>> {
        let over = self.written(own, |writes| writes.of(&request.keys));
        self.answered(overlay::get_many(&*self.surroundings.store, over, request.keys)).await
    }

    /// The same for how many rows there are.
    pub(crate) async fn count(&self, request: ReadRequest, own: Option<Overlay>) -> u64 {
        let over = self.written(own, |writes| writes.within(&request.scan));
        self.answered(overlay::count(&*self.surroundings.store, over, request.scan)).await
    }

    /// The part of all writes that are not in the store yet, those of an attempt last.
    fn written(&self, own: Option<Overlay>, part: impl Fn(&Overlay) -> Overlay) -> Overlay {
        let state = self.state.lock();
        let mut over = part(&state.writes_in_flight);
        over.extend(part(&state.gathered.writes));
        over.extend(part(&state.since.writes));
        over.extend(own.unwrap_or_default());
        over
    }

    async fn answered<T>(&self, answer: impl Future<Output = Result<T, StoreError>>) -> T {
        match answer.await {
            Ok(answer) => answer,
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

    pub(super) fn halted(&self) -> Option<Halt> {
        self.state.lock().halt.clone()
    }

    /// From now on no attempt starts.
    pub(super) fn stop(&self) {
        let hold = &mut self.state.lock().hold;
        if *hold == Hold::None {
            *hold = Hold::Stopping;
        }
    }

    /// Whether this run can be dropped without putting an attempt in doubt or losing what is recorded of one.
    pub(super) fn is_at_rest(&self) -> bool {
        let state = self.state.lock();
        !state.activity.has_attempt() && state.has_gathered_nothing()
    }

    /// Whether the call's admission is durable.
    pub(super) fn is_admitted(&self) -> bool {
        self.was_stored || self.state.lock().durable > 0
    }

    /// How many rows the journal has.
    pub(super) fn rows(&self) -> u32 {
        self.state.lock().next_row
    }
}
