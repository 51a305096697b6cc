//! The simulated disk: commits take time, come in groups, are acknowledged in any order, and fail as the plan says.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use durable_runtime::store::{
    Batch, Commit, CommitCounts, CommitError, Keyspace, Read, Row, Scan, Store, StoreError, StoreFuture,
    SyncBackend as _,
};
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};

use crate::program::Fault;
use crate::world::{Snapshot, World};

/// What outlives processes: the rows in the world, and which faults are to come.
pub(crate) struct Disk {
    pub(crate) world: Arc<World>,
    pub(crate) faults: Mutex<BTreeMap<u64, Fault>>,
    commits: Mutex<u64>,
}

/// The life of one process.
#[derive(Default)]
pub(crate) struct Life {
    is_over: AtomicBool,
    ended: Notify,
    /// How it ended.
    how: Mutex<Option<Fault>>,
}

impl Life {
    pub(crate) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    /// Nothing of it counts any more.
    pub(crate) fn end(&self) {
        self.is_over.store(true, Ordering::Relaxed);
    }

    fn report(&self, fault: Fault) {
        self.how.lock().get_or_insert(fault);
        self.ended.notify_one();
    }

    /// Ends when a fault ends the life.
    pub(crate) async fn ended(&self) -> Fault {
        loop {
            if let Some(fault) = *self.how.lock() {
                return fault;
            }
            self.ended.notified().await;
        }
    }
}

struct Waiting {
    batch: Batch,
    answer: oneshot::Sender<Result<(), CommitError>>,
}

#[derive(Default)]
struct Queue {
    waiting: Vec<Waiting>,
    is_writing: bool,
}

/// The disk as one process has it.
#[derive(Clone)]
pub(crate) struct Mounted {
    disk: Arc<Disk>,
    pub(crate) life: Arc<Life>,
    queue: Arc<Mutex<Queue>>,
}

impl Disk {
    pub(crate) fn new(world: Arc<World>, faults: BTreeMap<u64, Fault>) -> Arc<Self> {
        Arc::new(Self { world, faults: Mutex::new(faults), commits: Mutex::new(0) })
    }

    pub(crate) fn mount(self: &Arc<Self>) -> Mounted {
        Mounted { disk: Arc::clone(self), life: Arc::default(), queue: Arc::default() }
    }
}

fn failed() -> CommitError {
    CommitError::Store(dead())
}

fn dead() -> StoreError {
    StoreError::unavailable("the simulated disk fails")
}

impl Mounted {
    async fn write(self) {
        loop {
            let group = {
                let mut queue = self.queue.lock();
                if queue.waiting.is_empty() {
                    queue.is_writing = false;
                    return;
                }
                let count = 1 + self.disk.world.chance(|chance| chance.index(queue.waiting.len()));
                queue.waiting.drain(..count).collect::<Vec<_>>()
            };
            self.pause(6).await;
            let fault = {
                let mut commits = self.disk.commits.lock();
                *commits += 1;
                self.disk.faults.lock().remove(&commits)
            };
            if let Some(fault) = fault {
                self.disk.world.note(format!("fault {fault:?}"));
                if fault != Fault::Slow {
                    self.disk.world.fault();
                }
            }
            if self.life.is_over() {
                return self.abandon();
            }
            match fault {
                Some(fault @ (Fault::CrashBefore | Fault::CrashAfter)) => {
                    if fault == Fault::CrashAfter {
                        self.apply(&group);
                    }
                    self.life.end();
                    self.life.report(fault);
                    return self.abandon();
                }
                Some(fault @ (Fault::Zombie | Fault::Stop)) => self.life.report(fault),
                Some(Fault::Slow) => tokio::time::sleep(Duration::from_secs(20)).await,
                Some(fault @ (Fault::Lost | Fault::Kept)) => {
                    if fault == Fault::Kept {
                        self.apply(&group);
                    }
                    for waiting in group {
                        let _unheard = waiting.answer.send(Err(failed()));
                    }
                    continue;
                }
                None => {}
            }
            let mut answers = self.apply(&group).into_iter().zip(group).collect::<Vec<_>>();
            while !answers.is_empty() {
                let next = self.disk.world.chance(|chance| chance.index(answers.len()));
                let (answer, waiting) = answers.remove(next);
                let _unheard = waiting.answer.send(answer);
                self.pause(2).await;
            }
        }
    }

    /// Nothing of what waits becomes durable.
    fn abandon(&self) {
        self.queue.lock().waiting.clear();
    }

    /// Makes batches durable, one after another.
    fn apply(&self, group: &[Waiting]) -> Vec<Result<(), CommitError>> {
        let world = &self.disk.world;
        group
            .iter()
            .map(|waiting| {
                let before = Snapshot::of(&world.rows);
                let answer = world.rows.commit_group(&[&waiting.batch]).expect("memory does not fail").remove(0);
                world.committed(&before, &Snapshot::of(&world.rows));
                answer.map_err(CommitError::GuardFailed)
            })
            .collect()
    }

    /// Lets a little time pass, or none.
    async fn pause(&self, most_ms: u64) {
        let millis = self.disk.world.chance(|chance| chance.below(most_ms));
        if millis < most_ms / 2 {
            tokio::task::yield_now().await;
        } else {
            tokio::time::sleep(Duration::from_millis(millis)).await;
        }
    }

    fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&World) -> Result<T, StoreError> + Send + 'static,
    ) -> StoreFuture<'_, Result<T, StoreError>> {
        Box::pin(async move {
            self.pause(2).await;
            if self.life.is_over() { Err(dead()) } else { read(&self.disk.world) }
        })
    }
}

impl Read for Mounted {
    fn get(&self, keyspace: Keyspace, key: Vec<u8>) -> StoreFuture<'_, Result<Option<Vec<u8>>, StoreError>> {
        self.read(move |world| world.rows.get(keyspace, &key))
    }

    fn get_many(
        &self,
        keyspace: Keyspace,
        keys: Vec<Vec<u8>>,
    ) -> StoreFuture<'_, Result<Vec<Option<Vec<u8>>>, StoreError>> {
        self.read(move |world| world.rows.get_many(keyspace, &keys))
    }

    fn scan(&self, scan: Scan) -> StoreFuture<'_, Result<Vec<Row>, StoreError>> {
        self.read(move |world| world.rows.scan(&scan))
    }

    fn count(&self, scan: Scan, except: BTreeSet<Vec<u8>>) -> StoreFuture<'_, Result<u64, StoreError>> {
        self.read(move |world| world.rows.count(&scan, &except))
    }
}

impl Commit for Mounted {
    fn commit(&self, batch: Batch) -> StoreFuture<'static, Result<(), CommitError>> {
        if self.life.is_over() {
            return Box::pin(async { Err(failed()) });
        }
        let (answer, answered) = oneshot::channel();
        let begins = {
            let mut queue = self.queue.lock();
            queue.waiting.push(Waiting { batch, answer });
            !std::mem::replace(&mut queue.is_writing, true)
        };
        if begins {
            tokio::spawn(self.clone().write());
        }
        Box::pin(async { answered.await.unwrap_or_else(|_| Err(failed())) })
    }

    fn counts(&self) -> CommitCounts {
        CommitCounts::default()
    }
}

impl Store for Mounted {
    fn close(&self) -> StoreFuture<'_, ()> {
        Box::pin(async { self.life.end() })
    }
}
