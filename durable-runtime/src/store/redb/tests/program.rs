//! What runs on the disk: tools of every kind, called as clients call them, and what must be true of their calls however
//! often the power was cut.

use std::collections::{BTreeMap, BTreeSet};
use std::future::{Future, IntoFuture};
use std::ops::Bound;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::disk::{Disk, Effect, Note, Rows};
use crate::clock::{Clock, Timestamp};
use crate::prelude::*;
use crate::store::redb::RedbBackend;
use crate::store::{Batch, Durable, Group, GroupCommit, Keyspace, MemoryBackend, Row, Scan, StoreError, SyncBackend};
use crate::{AuditQuery, LocalResult};

/// A clock on which waiting takes no time: it jumps to what is waited for.
#[derive(Clone, Default)]
struct JumpingClock(Arc<AtomicU64>);

const BEGIN: u64 = 1_700_000_000_000;

impl Clock for JumpingClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(BEGIN + self.0.load(Ordering::SeqCst))
    }

    fn sleep_until(&self, deadline: Timestamp) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        self.0.fetch_max(deadline.as_millis().saturating_sub(BEGIN), Ordering::SeqCst);
        Box::pin(tokio::task::yield_now())
    }
}

/// Where effects are seen.
struct Witness(Disk);

#[derive(Debug, Serialize, Deserialize, thiserror::Error)]
enum Failure {
    #[error("no network")]
    Network,
    #[error("in doubt")]
    InDoubt,
    #[error("{0}")]
    Other(String),
}

impl From<AtMostOnceFailedBeforeCompleting> for Failure {
    fn from(_: AtMostOnceFailedBeforeCompleting) -> Self {
        Self::InDoubt
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Other(error.to_string())
    }
}

const KEPT: SortedMap<u32> = SortedMap::new("kept");
const WRITTEN: SortedMap<String> = SortedMap::new("written");
const ACCOUNTS: SortedMap<i64> = SortedMap::new("accounts");
const CHARGES: AuditLog = AuditLog::new("charges");

/// Has an effect, and fails after it at the first attempts.
async fn act(
    cx: &StepContext,
    witness: &Witness,
    call: &str,
    label: &'static str,
    failures: u32,
) -> Result<u32, Failure> {
    tokio::task::yield_now().await;
    let attempt = cx.attempt();
    witness.0.note(Note::Effect(Effect { call: call.to_owned(), label, attempt }));
    if attempt <= failures { Err(Failure::Network) } else { Ok(attempt) }
}

/// Writes a row before its effect.
async fn keep(cx: &StepContext, witness: &Witness, call: &str) -> Result<u32, Failure> {
    KEPT.insert(cx, [(call, cx.attempt())]).await?;
    act(cx, witness, call, "keep", 1).await
}

/// Steps that are made at least once, the second with a row, and after a failure.
#[durable_tool]
async fn repeats(cx: &DurableContext, witness: State<Witness>, call: String) -> Result<u32, Failure> {
    #[once(at_least, name = "first")]
    let first = act(cx, &witness, &call, "first", 0).await?;
    #[once(at_least, retry(attempts = 9, initial = "1s"))]
    let second = keep(cx, &witness, &call).await?;
    Ok(first * 100 + second)
}

/// Steps that are made at most once, the second again after a failure that says so.
#[durable_tool]
async fn charges(cx: &DurableContext, witness: State<Witness>, call: String) -> Result<Vec<String>, Failure> {
    #[once(at_most, name = "charge")]
    let charge = act(cx, &witness, &call, "charge", 0).await;
    #[once(at_most, name = "refund", retry_on(Failure::Network), retry(attempts = 3, initial = "1s"))]
    let refund = act(cx, &witness, &call, "refund", 1).await;
    Ok([charge, refund].iter().map(|outcome| format!("{outcome:?}")).collect())
}

/// Rows of the body, one by one, with a wait among them.
#[durable_tool]
async fn writes(cx: &DurableContext, call: String) -> Result<Option<String>, Failure> {
    WRITTEN.insert(cx, [(format!("{call}/a"), "a".to_owned()), (format!("{call}/b"), "b".to_owned())]).await?;
    cx.sleep(Duration::from_secs(1)).await;
    let seen = WRITTEN.get(cx, format!("{call}/a")).await?;
    WRITTEN.remove(cx, [format!("{call}/b")]).await?;
    WRITTEN.insert(cx, [(format!("{call}/c"), "c".repeat(5000))]).await?;
    Ok(seen)
}

/// Moves money, of which there is never more or less.
#[durable_tool]
async fn moves(cx: &DurableContext, call: String) -> Result<i64, Failure> {
    let _ = call;
    cx.transaction(|tx| {
        let from = tx.get(&ACCOUNTS, "from")?.unwrap_or(0) - 1;
        let to = tx.get(&ACCOUNTS, "to")?.unwrap_or(0) + 1;
        tx.insert(&ACCOUNTS, [("from", from), ("to", to)])?;
        Ok::<_, Failure>(to)
    })
    .await
}

/// Audited, with an entry of its own, and branches.
#[audit("charges")]
#[durable_tool]
async fn audited(cx: &DurableContext, witness: State<Witness>, call: String) -> Result<u32, Failure> {
    noted(cx, &call).await?;
    let (left, right) = durable_runtime::join!(
        async {
            #[once(at_least, name = "left")]
            act(cx, &witness, &call, "left", 0).await
        },
        async {
            #[once(at_most, name = "right")]
            act(cx, &witness, &call, "right", 0).await
        }
    );
    Ok(left? + right.unwrap_or(0))
}

#[durable]
async fn noted(cx: &DurableContext, call: &str) -> Result<(), Error> {
    cx.audit("charges", &json!({ "begun": call })).await
}

/// A set of calls, each under a key of its own.
#[derive(Clone, Copy, Debug)]
pub(super) struct Program {
    pub(super) name: &'static str,
    tools: &'static [&'static str],
    at_once: bool,
}

/// All programs.
pub(super) const PROGRAMS: [Program; 7] = [
    Program { name: "steps that are made at least once", tools: &["repeats"], at_once: false },
    Program { name: "steps that are made at most once", tools: &["charges"], at_once: false },
    Program { name: "rows of tables", tools: &["writes", "writes"], at_once: false },
    Program { name: "transactions", tools: &["moves", "moves", "moves"], at_once: false },
    Program { name: "audited calls", tools: &["audited", "audited"], at_once: false },
    Program {
        name: "everything in a row",
        tools: &["repeats", "charges", "writes", "moves", "audited"],
        at_once: false,
    },
    Program {
        name: "everything at once",
        tools: &["repeats", "charges", "writes", "moves", "audited", "repeats", "charges", "moves"],
        at_once: true,
    },
];

/// The backend, with a model of the rows that it must hold beside it.
struct Modelled {
    redb: RedbBackend,
    /// `None` when it is not known whether the last group is there.
    model: Mutex<Option<Rows>>,
    disk: Disk,
    /// How many groups there were. The syncs of every other one are put off.
    groups: AtomicU64,
    /// The rows before and after a group whose sync is put off.
    unsynced: Mutex<Option<(Rows, Rows)>>,
    /// How many of these syncs failed.
    lost: AtomicU64,
}

impl Modelled {
    fn new(redb: RedbBackend, disk: Disk) -> Self {
        let (groups, lost) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { redb, model: Mutex::new(None), disk, groups, unsynced: Mutex::new(None), lost }
    }

    /// The rows that the next group finds.
    fn found(&self) -> Result<Rows, StoreError> {
        if let Some(rows) = self.model.lock().take() {
            return Ok(rows);
        }
        let found = rows(&self.redb)?;
        self.disk.note(Note::Found(Arc::new(found.clone())));
        Ok(found)
    }

    fn failed(&self, error: StoreError, before: &Rows, after: &Rows) -> StoreError {
        if let Ok(found) = rows(&self.redb) {
            assert!(found == *before || found == *after, "half a group is there after `{error}`");
        }
        error
    }
}

/// The row that says which format the file has, which the backend writes by itself.
const FORMAT: &[u8] = b"format";

/// All rows that a store holds.
pub(super) fn rows(backend: &impl SyncBackend) -> Result<Rows, StoreError> {
    let mut rows = Rows::new();
    for keyspace in Keyspace::ALL {
        let (lower, upper) = (Bound::Unbounded, Bound::Unbounded);
        for (key, value) in backend.scan(&Scan { keyspace, lower, upper, descending: false, limit: usize::MAX })? {
            rows.insert((keyspace, key), value);
        }
    }
    rows.remove(&(Keyspace::Meta, FORMAT.to_vec()));
    Ok(rows)
}

/// Rows in the reference model of a store.
fn model(rows: &Rows) -> MemoryBackend {
    let mut batch = Batch::default();
    for ((keyspace, key), value) in rows {
        batch.put(*keyspace, key.clone(), value.clone());
    }
    let model = MemoryBackend::default();
    model.commit_group(&[&batch]).expect("memory does not fail");
    model
}

impl SyncBackend for Modelled {
    fn get(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.redb.get(keyspace, key)
    }

    fn get_many(&self, keyspace: Keyspace, keys: &[Vec<u8>]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        self.redb.get_many(keyspace, keys)
    }

    fn scan(&self, scan: &Scan) -> Result<Vec<Row>, StoreError> {
        self.redb.scan(scan)
    }

    fn count(&self, scan: &Scan, except: &BTreeSet<Vec<u8>>) -> Result<u64, StoreError> {
        self.redb.count(scan, except)
    }

    fn commit_growing(&self, group: &mut Group<'_>) -> Result<Durable, StoreError> {
        let lost = self.lost.load(Ordering::SeqCst);
        let before = self.found()?;
        let model = model(&before);
        // Until the group before is durable.
        while let Some(batch) = group.next_batch() {
            let result = model.commit_group(&[batch])?.remove(0);
            group.applied(result);
        }
        if self.lost.load(Ordering::SeqCst) > lost {
            return Err(StoreError::unavailable("the group before, on which this one is built, is lost"));
        }
        *self.model.lock() = Some(before.clone());
        if self.groups.fetch_add(1, Ordering::SeqCst).is_multiple_of(2) {
            let results = self.commit_group(&group.all())?;
            assert_eq!(results, group.results(), "the guards are those of the model");
            return Ok(Durable::Already);
        }
        *self.model.lock() = None;
        let after = rows(&model)?;
        self.disk.note(Note::Committing(Arc::new(after.clone())));
        let all = group.all();
        let mut committed = Group::of(&all);
        match self.redb.commit_and(&mut committed, Some(0)) {
            Ok(durable) => {
                assert_eq!(committed.results(), group.results(), "the guards are those of the model");
                assert_eq!(durable, Durable::WhenSynced);
                // The disk may fail to read.
                if let Ok(found) = rows(&self.redb) {
                    assert_eq!(found, before, "what is not durable is not read");
                }
                *self.model.lock() = Some(after.clone());
                *self.unsynced.lock() = Some((before, after));
                Ok(durable)
            }
            Err(error) => Err(self.failed(error, &before, &after)),
        }
    }

    fn sync(&self) -> Result<(), StoreError> {
        let (before, after) = self.unsynced.lock().take().expect("a sync was put off");
        match self.redb.sync() {
            Ok(()) => {
                self.disk.note(Note::Committed);
                Ok(())
            }
            Err(error) => {
                *self.model.lock() = None;
                self.lost.fetch_add(1, Ordering::SeqCst);
                Err(self.failed(error, &before, &after))
            }
        }
    }

    fn commit_group(&self, group: &[&Batch]) -> Result<Vec<Result<(), usize>>, StoreError> {
        let before = self.found()?;
        let model = model(&before);
        let expected = model.commit_group(group)?;
        let after = rows(&model)?;
        self.disk.note(Note::Committing(Arc::new(after.clone())));
        match self.redb.commit_group(group) {
            Ok(answers) => {
                assert_eq!(answers, expected, "the guards are those of the model");
                *self.model.lock() = Some(after);
                self.disk.note(Note::Committed);
                Ok(answers)
            }
            Err(error) => Err(self.failed(error, &before, &after)),
        }
    }

    fn close(&self) {
        self.redb.close();
    }
}

/// A server on a disk.
async fn server(disk: &Disk) -> Result<Server, Error> {
    let redb = disk.open()?;
    let store = GroupCommit::new(Modelled::new(redb, disk.clone()))?;
    Server::builder("test", "0")
        .custom_store(store)
        .clock(JumpingClock::default())
        .state(Witness(disk.clone()))
        .tools(crate::tools![repeats, charges, writes, moves, audited])
        .open()
        .await
}

/// How long anything may take: much longer than anything takes.
const PATIENCE: Duration = Duration::from_secs(60);

const SERVER: &str = "the server";

/// Tries until the disk lets it.
async fn insist<T, F: Future<Output = Result<T, Error>>>(what: &str, mut attempt: impl FnMut() -> F) -> T {
    let trying = async {
        loop {
            match attempt().await {
                Ok(done) => return done,
                Err(error) => {
                    // What a caller is told is that the store fails, or that the call goes on without it.
                    let codes = ["store_unavailable", "invocation_deferred", "admission_uncertain"];
                    // A server that could not be opened lets go of the file soon after.
                    let may_be_held = what == SERVER && error.code() == "store_held";
                    assert!(may_be_held || codes.contains(&error.code()), "{what}: {error}");
                    tokio::task::yield_now().await;
                }
            }
        }
    };
    tokio::time::timeout(PATIENCE, trying).await.unwrap_or_else(|_| panic!("{what} has not come"))
}

impl Program {
    fn key(number: usize) -> String {
        format!("call {number}")
    }

    async fn call(self, server: &Server, disk: &Disk, number: usize) -> LocalResult {
        let key = Self::key(number);
        let answer = insist(&format!("the answer of {key}"), || {
            server.call(self.tools[number], json!({ "call": key })).idempotency_key(&key).into_future()
        })
        .await;
        disk.note(Note::Answered(number, format!("{:?}", answer.result)));
        answer
    }

    async fn call_all(self, server: &Server, disk: &Disk) -> Vec<LocalResult> {
        let mut answers = Vec::new();
        if self.at_once {
            let calls: Vec<_> = (0..self.tools.len())
                .map(|number| {
                    let (server, disk) = (server.clone(), disk.clone());
                    tokio::spawn(async move { self.call(&server, &disk, number).await })
                })
                .collect();
            for call in calls {
                answers.push(call.await.expect("no panic"));
            }
        } else {
            for number in 0..self.tools.len() {
                answers.push(self.call(server, disk, number).await);
            }
        }
        answers
    }

    /// Makes all calls on a server, and stops it.
    pub(super) async fn run(self, disk: &Disk) {
        let server = insist(SERVER, || server(disk)).await;
        self.call_all(&server, disk).await;
        server.shutdown().await;
    }

    /// Makes all calls again on what is left of them, and checks every promise. `before` is what the world saw until then.
    pub(super) async fn check_promises(self, disk: &Disk, before: &[Note]) {
        let server = insist(SERVER, || server(disk)).await;
        let answers = self.call_all(&server, disk).await;
        let mut effects: BTreeMap<Effect, u32> = BTreeMap::new();
        let now = disk.events().into_iter().filter_map(|event| match event {
            super::disk::Event::Noted(note) => Some(note),
            _ => None,
        });
        let now: Vec<Note> = now.collect();
        for note in before.iter().chain(&now) {
            match note {
                Note::Effect(effect) => *effects.entry(effect.clone()).or_default() += 1,
                Note::Answered(number, answer) => {
                    let again = format!("{:?}", answers[*number].result);
                    assert_eq!(&again, answer, "an answer that was given is the same for ever");
                }
                Note::Committing(_) | Note::Committed | Note::Found(_) => {}
            }
        }
        for (effect, times) in &effects {
            let at_most = ["charge", "refund", "right"].contains(&effect.label);
            assert!(!at_most || *times == 1, "{effect:?} happened {times} times");
        }
        let happened =
            |call: &str, label: &str| effects.keys().any(|effect| effect.call == call && effect.label == label);
        let store = server.store();
        for (number, answer) in answers.iter().enumerate() {
            let call = Self::key(number);
            let value = answer.result.as_ref().unwrap_or_else(|failure| panic!("{call} failed: {failure}"));
            match self.tools[number] {
                "repeats" => {
                    assert!(happened(&call, "first") && happened(&call, "keep"), "{effects:?}");
                    let kept = KEPT.get(&store, &call).await.expect("read");
                    assert_eq!(value.as_u64().map(|value| value % 100), kept.map(u64::from));
                }
                "charges" => check_charges(value, &call, happened),
                "writes" => {
                    assert_eq!(value, &json!("a"));
                    let rows = WRITTEN.prefix(&store, format!("{call}/"), 10).await.expect("read");
                    let keys: Vec<&str> = rows.iter().filter_map(|(key, _)| key.rsplit('/').next()).collect();
                    assert_eq!(keys, ["a", "c"]);
                }
                "audited" => assert!(happened(&call, "left")),
                _ => {}
            }
        }
        let count = |tool: &str| self.tools.iter().filter(|name| **name == tool).count();
        let moved = i64::try_from(count("moves")).expect("a small number");
        let balance = async |account| ACCOUNTS.get(&store, account).await.expect("read").unwrap_or(0);
        assert_eq!((balance("from").await, balance("to").await), (-moved, moved));
        let query = AuditQuery { begin: Some(0), limit: 1000, ..AuditQuery::default() };
        let entries = CHARGES.query(&store, query).await.expect("read").entries;
        assert_eq!(entries.len(), 2 * count("audited"), "one entry of the call and one of its own: {entries:?}");
        server.shutdown().await;
        let left = rows(&disk.open().expect("the store")).expect("read");
        let unfinished = left.keys().filter(|(keyspace, _)| *keyspace == Keyspace::Unfinished).count();
        assert_eq!(unfinished, 0, "every call has come to its one end");
    }
}

/// An outcome in doubt is the only one that does not say whether there was an effect.
fn check_charges(value: &Value, call: &str, happened: impl Fn(&str, &str) -> bool) {
    for (outcome, label) in value.as_array().expect("a list").iter().zip(["charge", "refund"]) {
        match outcome.as_str().expect("a text") {
            "Err(InDoubt)" => {}
            outcome => {
                assert!(outcome.starts_with("Ok("), "{outcome}");
                assert!(happened(call, label), "{call} says that `{label}` has happened");
            }
        }
    }
}
