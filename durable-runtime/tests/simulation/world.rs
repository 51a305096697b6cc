//! The world outside: it sees every effect, outlives every crash, and holds the engine to its promises.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use durable_runtime::store::{Keyspace, MemoryBackend, Row, Scan, SyncBackend as _};
use durable_runtime::testing::journal_entries;
use durable_runtime::{InvocationId, JournalEntry, StepContext};
use parking_lot::Mutex;
use serde_json::Value;
use uuid::Uuid;

use crate::chance::Chance;
use crate::fork;
use crate::program::{Act, Plan, Program, Step};

/// What the body has seen, each as a text that is in no other place: it is to be found in the journal.
pub(crate) type Facts = Vec<String>;

pub(crate) struct World {
    pub(crate) rows: MemoryBackend,
    pub(crate) programs: Vec<Program>,
    state: Mutex<State>,
}

struct State {
    chance: Chance,
    /// The digest of all that has happened, after each thing that has.
    trace: Vec<u64>,
    log: Vec<String>,
    tokens: u64,
    /// Where the tokens are written to.
    writes: BTreeMap<String, Vec<String>>,
    /// Tokens of attempts that succeeded.
    succeeded: BTreeSet<String>,
    /// Of at-most-once steps: how each attempt ended that was started.
    at_most: BTreeMap<Uuid, BTreeMap<u32, Option<Act>>>,
    /// Attempts of at-most-once steps that have ended: of this invocation, under this name and key, and their number.
    known: BTreeSet<(InvocationId, String, u32)>,
    /// Something has gone wrong with a process or the disk.
    has_fault: bool,
    /// How often what panics has come to that; `None` when the run is over.
    panics: Option<BTreeMap<String, u32>>,
    /// Results that clients were given.
    acknowledged: BTreeMap<InvocationId, String>,
    violations: Vec<String>,
}

impl World {
    pub(crate) fn new(plan: &Plan) -> Self {
        Self {
            rows: MemoryBackend::default(),
            programs: plan.programs.clone(),
            state: Mutex::new(State {
                chance: Chance::of(plan.seed ^ 0x5eed),
                trace: vec![0xcbf2_9ce4_8422_2325],
                log: Vec::new(),
                tokens: 0,
                writes: BTreeMap::new(),
                succeeded: BTreeSet::new(),
                at_most: BTreeMap::new(),
                known: BTreeSet::new(),
                has_fault: false,
                panics: Some(BTreeMap::new()),
                acknowledged: BTreeMap::new(),
                violations: Vec::new(),
            }),
        }
    }

    pub(crate) fn chance<T>(&self, draw: impl FnOnce(&mut Chance) -> T) -> T {
        draw(&mut self.state.lock().chance)
    }

    /// Something has happened.
    pub(crate) fn note(&self, what: String) {
        self.state.lock().note(what);
    }

    /// A promise was broken.
    pub(crate) fn broken(&self, promise: &str, how: impl Into<String>) {
        let how = how.into();
        let mut state = self.state.lock();
        state.note(format!("BROKEN: {promise}: {how}"));
        state.violations.push(format!("{promise}: {how}"));
    }

    pub(crate) fn violation(&self) -> Option<String> {
        self.state.lock().violations.first().cloned()
    }

    pub(crate) fn trace(&self) -> Vec<u64> {
        self.state.lock().trace.clone()
    }

    pub(crate) fn log(&self) -> Vec<String> {
        self.state.lock().log.clone()
    }

    /// Something goes wrong with a process or the disk.
    pub(crate) fn fault(&self) {
        self.state.lock().has_fault = true;
    }

    /// Whether what comes to a panic for the first times panics.
    pub(crate) fn panics(&self, what: String, times: u32) -> bool {
        let mut state = self.state.lock();
        let Some(panics) = &mut state.panics else { return false };
        let times_before = panics.entry(what.clone()).or_default();
        *times_before += 1;
        let panics = *times_before <= times;
        if panics {
            state.note(format!("panic {what}"));
        }
        panics
    }

    pub(crate) fn end_panics(&self) {
        self.state.lock().panics = None;
    }

    /// What an invocation runs.
    pub(crate) fn program_of(&self, id: InvocationId) -> Option<Program> {
        let number = self.entries(id).first()?.details.get("arguments")?.get("program")?.as_u64()?;
        self.programs.get(usize::try_from(number).ok()?).cloned()
    }

    /// A text that is nowhere else.
    pub(crate) fn token(&self) -> String {
        let mut state = self.state.lock();
        state.tokens += 1;
        format!("<{}>", state.tokens)
    }

    /// The token is to be written to these rows when what it belongs to is recorded.
    pub(crate) fn will_write(&self, token: &str, row: String) {
        self.state.lock().writes.entry(token.to_owned()).or_default().push(row);
    }

    /// An attempt starts: an effect.
    pub(crate) fn start(&self, cx: &StepContext, step: &Step, facts: &Facts) {
        self.note(format!("start {} {} attempt {}", cx.invocation(), step.name, cx.attempt()));
        let journal = self.journal_text(cx.invocation());
        for fact in facts {
            if !journal.contains(fact) {
                let how = format!("`{}` of {} starts after {fact}, which is not durable", step.name, cx.invocation());
                self.broken("no effect depends on what a crash takes back", how);
            }
        }
        if !step.at_most {
            return;
        }
        let is_recorded = self.entries(cx.invocation()).iter().any(|entry| {
            entry.record == "started"
                && entry.of.as_deref().is_some_and(|of| is_of(of, step.name))
                && entry.details.get("attempt") == Some(&Value::from(cx.attempt()))
        });
        if !is_recorded {
            self.broken("the start of an at-most-once attempt is durable before it", step.name);
        }
        // Attempts that a fork has were made under another key.
        let is_fork = self.entries(cx.invocation()).iter().any(|entry| entry.record == "forked");
        let mut state = self.state.lock();
        let attempts = state.at_most.entry(cx.idempotency_key()).or_default();
        let before = cx.attempt().checked_sub(1).and_then(|before| attempts.get(&before).copied());
        let is_first = attempts.insert(cx.attempt(), None).is_none();
        let may_follow = cx.attempt() == 1 || before == Some(Some(Act::FailToReach)) || is_fork && before.is_none();
        drop(state);
        if !is_first || !may_follow {
            let how = format!("`{}` of {}, attempt {}", step.name, cx.invocation(), cx.attempt());
            self.broken("an at-most-once attempt starts at most once", how);
        }
    }

    /// An attempt has ended.
    pub(crate) fn end(&self, cx: &StepContext, step: &Step, key: &str, act: Act, token: &str) {
        self.note(format!("end {} {} attempt {}: {act:?} {token}", cx.invocation(), step.name, cx.attempt()));
        let mut state = self.state.lock();
        if act == Act::Succeed {
            state.succeeded.insert(token.to_owned());
        }
        if step.at_most {
            state.known.insert((cx.invocation(), label(step, key), cx.attempt()));
            state.at_most.entry(cx.idempotency_key()).or_default().insert(cx.attempt(), Some(act));
        }
    }

    /// A person was told that a step has this outcome from now on.
    pub(crate) fn resolved(&self, id: InvocationId, step: &str, token: &str) {
        let is_it = |entry: &JournalEntry| {
            let value = entry.details.get("value").and_then(|value| value.get("token"));
            entry.record == "resolved" && entry.of.as_deref() == Some(step) && value.is_some_and(|value| value == token)
        };
        if !self.entries(id).iter().any(is_it) {
            self.broken("an outcome by hand is that of its step", format!("`{step}` of {id} does not have {token}"));
        }
    }

    /// A client is given a result.
    pub(crate) fn acknowledged(&self, id: InvocationId, result: &str) {
        self.note(format!("result {id} {result}"));
        let before = self.state.lock().acknowledged.insert(id, result.to_owned());
        if before.as_ref().is_some_and(|before| before != result) {
            self.broken("a result is the same bytes each time", format!("{id}: {before:?}, and then {result}"));
        }
    }

    pub(crate) fn all_acknowledged(&self) -> Vec<(InvocationId, String)> {
        self.state.lock().acknowledged.iter().map(|(id, result)| (*id, result.clone())).collect()
    }

    /// A commit has become durable: what changed.
    pub(crate) fn committed(&self, before: &Snapshot, after: &Snapshot) {
        let digest: Vec<String> =
            Keyspace::ALL.iter().map(|keyspace| format!("{:?}", after.changes(before, *keyspace))).collect();
        self.note(format!("commit {:016x}", fold(0, &digest.join(";"))));
        for (key, old, _) in after.changes(before, Keyspace::Journal) {
            if old.is_some() {
                self.broken("a recorded outcome never changes", format!("the row {key:?} of a journal is another one"));
            }
        }
        for (key, old, _) in after.changes(before, Keyspace::Result) {
            if old.is_some() {
                self.broken("the first end to be durable counts", format!("the result {key:?} is another one"));
            }
        }
        self.agree(before, after);
        self.audited(before, after);
        self.forks(before, after);
    }

    fn forks(&self, before: &Snapshot, after: &Snapshot) {
        let mut begun: BTreeMap<InvocationId, Vec<JournalEntry>> = BTreeMap::new();
        for (key, _, row) in after.changes(before, Keyspace::Journal) {
            let Some(id) = invocation(&key) else { continue };
            begun.entry(id).or_default().extend(journal_entries(&row.unwrap_or_default()));
        }
        for (id, entries) in begun {
            fork::check(self, id, &entries);
        }
    }

    /// Journal and tables agree: what a commit writes to tables is what its records say.
    fn agree(&self, before: &Snapshot, after: &Snapshot) {
        let mut said: BTreeMap<String, Vec<Said>> = BTreeMap::new();
        let rows: Vec<_> = after
            .changes(before, Keyspace::Journal)
            .into_iter()
            .map(|(key, _, row)| (key, journal_entries(&row.unwrap_or_default())))
            .collect();
        // A fork has what another invocation wrote.
        let is_fork = rows.iter().any(|(_, entries)| entries.iter().any(|entry| entry.record == "forked"));
        for (key, entries) in rows.into_iter().filter(|_| !is_fork) {
            for entry in entries {
                let of = entry.of.unwrap_or_default();
                if entry.record == "ended" && entry.details.contains_key("doubt") {
                    self.doubted(&key, &of, entry.details.get("attempt"));
                }
                let token = match entry.record {
                    "ended" => entry.details.get("value").and_then(|value| value.get("token")),
                    "operated" => entry.details.get("result").and_then(|result| result.get("Ok")),
                    _ => None,
                };
                if let Some(token) = token.and_then(Value::as_str) {
                    let (rows, is_of_attempt) = {
                        let state = self.state.lock();
                        (state.writes.get(token).cloned().unwrap_or_default(), state.succeeded.contains(token))
                    };
                    for row in rows {
                        said.entry(row).or_default().push(Said::Has(token.to_owned()));
                    }
                    if entry.record == "ended" && !is_of_attempt {
                        self.broken("an outcome is what an attempt gave", format!("`{of}` has {token}"));
                    }
                }
                let operation = of.rsplit('/').next().unwrap_or_default();
                if let Some((name, key)) = operation.strip_suffix(']').and_then(|operation| operation.split_once('[')) {
                    if name.starts_with("rows.insert") {
                        said.entry(key.to_owned()).or_default().push(Said::HasSomething);
                    } else if name.starts_with("rows.remove") {
                        said.entry(key.to_owned()).or_default().push(Said::IsGone);
                    }
                }
            }
        }
        let value = |bytes: Option<&Vec<u8>>| bytes.and_then(|bytes| serde_json::from_slice::<String>(bytes).ok());
        for (key, _, new) in
            after.changes(before, Keyspace::Table).into_iter().filter(|(key, ..)| key.starts_with(ROWS))
        {
            let (row, new) = (key_of_row(&key), value(new.as_ref()));
            if !said.get(&row).is_some_and(|said| said.iter().any(|said| said.is(new.as_deref()))) {
                self.broken(
                    "journal and tables agree",
                    format!("`{row}` becomes {new:?}, and the journal says {said:?}"),
                );
            }
        }
        for (row, said) in &said {
            let now = value(after.rows.get(&(Keyspace::Table, row_of_key(row))));
            if !said.iter().any(|said| said.is(now.as_deref())) {
                self.broken("journal and tables agree", format!("`{row}` is {now:?}, and the journal says {said:?}"));
            }
        }
    }

    /// A step is said to be in doubt.
    fn doubted(&self, journal_key: &[u8], of: &str, attempt: Option<&Value>) {
        let Some(id) = invocation(journal_key) else { return };
        let attempt =
            attempt.and_then(Value::as_u64).and_then(|attempt| u32::try_from(attempt).ok()).unwrap_or_default();
        let last = of.rsplit('/').next().unwrap_or_default();
        let state = self.state.lock();
        let is_lost = !state.has_fault && state.known.contains(&(id, last.to_owned(), attempt));
        drop(state);
        if is_lost {
            self.broken("an outcome that is known is not lost", format!("`{of}` of {id} is in doubt"));
        }
    }

    /// The end of an audited call and its entry are one commit, and nothing else makes an entry.
    fn audited(&self, before: &Snapshot, after: &Snapshot) {
        let entries: Vec<String> = after
            .changes(before, Keyspace::Table)
            .into_iter()
            .filter(|(key, ..)| !key.starts_with(ROWS))
            .map(|(_, _, entry)| String::from_utf8_lossy(&entry.unwrap_or_default()).into_owned())
            .collect();
        let ended: Vec<InvocationId> = after
            .changes(before, Keyspace::Result)
            .into_iter()
            .filter_map(|(key, _, _)| invocation(&key))
            .filter(|id| self.program_of(*id).is_some_and(|program| program.is_audited))
            .collect();
        let have_one =
            ended.iter().all(|id| entries.iter().filter(|entry| entry.contains(&id.to_string())).count() == 1);
        if !have_one || entries.len() != ended.len() {
            self.broken("an audited call leaves one entry, with its end", format!("{ended:?} and {entries:?}"));
        }
    }

    /// The entry of an audited call that has ended.
    pub(crate) fn audit_entry(&self, id: InvocationId) -> Option<Value> {
        let snapshot = Snapshot::of(&self.rows);
        let mut entries =
            snapshot.rows.iter().filter(|((keyspace, key), _)| *keyspace == Keyspace::Table && !key.starts_with(ROWS));
        entries.find_map(|(_, entry)| {
            let entry: Value = serde_json::from_slice(entry).ok()?;
            (entry.get("invocation")?.as_str()? == id.to_string()).then_some(entry)
        })
    }

    fn journal_rows(&self, id: InvocationId) -> Vec<Row> {
        let bound = |row: u32| {
            let mut key = id.as_bytes().to_vec();
            key.extend_from_slice(&row.to_be_bytes());
            key
        };
        let scan = Scan {
            keyspace: Keyspace::Journal,
            lower: Bound::Included(bound(0)),
            upper: Bound::Included(bound(u32::MAX)),
            descending: false,
            limit: usize::MAX,
        };
        self.rows.scan(&scan).expect("memory does not fail")
    }

    fn journal_text(&self, id: InvocationId) -> String {
        self.journal_rows(id).iter().map(|(_, row)| String::from_utf8_lossy(row).into_owned()).collect()
    }

    pub(crate) fn entries(&self, id: InvocationId) -> Vec<JournalEntry> {
        self.journal_rows(id).iter().flat_map(|(_, row)| journal_entries(row)).collect()
    }
}

impl State {
    fn note(&mut self, what: String) {
        let last = *self.trace.last().expect("there is a first one");
        self.trace.push(fold(last, &what));
        self.log.push(what);
    }
}

/// What a record says of a row.
#[derive(Debug)]
enum Said {
    Has(String),
    HasSomething,
    IsGone,
}

impl Said {
    fn is(&self, value: Option<&str>) -> bool {
        match self {
            Self::Has(token) => value == Some(token.as_str()),
            Self::HasSomething => value.is_some(),
            Self::IsGone => value.is_none(),
        }
    }
}

/// FNV-1a.
fn fold(digest: u64, text: &str) -> u64 {
    text.bytes().fold(digest, |digest, byte| (digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Whether an identity has this name, in whatever scope and under whatever key.
pub(crate) fn is_of(identity: &str, name: &str) -> bool {
    let last = identity.rsplit('/').next().unwrap_or_default();
    last == name || last.strip_prefix(name).is_some_and(|rest| rest.starts_with('['))
}

/// A step in its scope.
fn label(step: &Step, key: &str) -> String {
    format!("{}[{key}]", step.name)
}

/// The invocation to which a row belongs.
fn invocation(row: &[u8]) -> Option<InvocationId> {
    let id = <[u8; 16]>::try_from(row.get(..16)?).ok()?;
    Uuid::from_bytes(id).to_string().parse().ok()
}

/// Rows of the one table of the programs begin so.
const ROWS: &[u8] = b"\x04rows";

fn row_of_key(key: &str) -> Vec<u8> {
    [ROWS, key.as_bytes()].concat()
}

fn key_of_row(row: &[u8]) -> String {
    String::from_utf8_lossy(row.get(5..).unwrap_or_default()).into_owned()
}

/// All that is durable at one moment.
pub(crate) struct Snapshot {
    rows: BTreeMap<(Keyspace, Vec<u8>), Vec<u8>>,
}

type Change = (Vec<u8>, Option<Vec<u8>>, Option<Vec<u8>>);

impl Snapshot {
    pub(crate) fn of(rows: &MemoryBackend) -> Self {
        let mut all = BTreeMap::new();
        for keyspace in Keyspace::ALL {
            let scan = Scan {
                keyspace,
                lower: Bound::Unbounded,
                upper: Bound::Unbounded,
                descending: false,
                limit: usize::MAX,
            };
            for (key, value) in rows.scan(&scan).expect("memory does not fail") {
                all.insert((keyspace, key), value);
            }
        }
        Self { rows: all }
    }

    /// Keys with what they had and what they have.
    fn changes(&self, before: &Self, keyspace: Keyspace) -> Vec<Change> {
        let keys: BTreeSet<&(Keyspace, Vec<u8>)> =
            before.rows.keys().chain(self.rows.keys()).filter(|(of, _)| *of == keyspace).collect();
        keys.into_iter()
            .filter(|key| before.rows.get(*key) != self.rows.get(*key))
            .map(|key| (key.1.clone(), before.rows.get(key).cloned(), self.rows.get(key).cloned()))
            .collect()
    }

    pub(crate) fn keys(&self, keyspace: Keyspace) -> impl Iterator<Item = &Vec<u8>> {
        self.rows.keys().filter(move |(of, _)| *of == keyspace).map(|(_, key)| key)
    }
}
