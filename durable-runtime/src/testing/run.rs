//! One run of a test.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

use super::chance::SeededChance;
use super::clock::TestClock;
use super::disk::Disk;
use super::end::End;
use super::point::{Boundaries, CrashPoint};
use super::server::TestServer;
use crate::mcp::ServerBuilder;

/// The same in each run of each test: what differs is to come from the crash.
const SEED: u64 = 0;

/// One run of a test: undisturbed, or with a crash that comes by itself.
///
/// Clones are the same run.
#[derive(Clone)]
pub struct TestRun {
    parts: Arc<Parts>,
}

struct Parts {
    crash: Option<CrashPoint>,
    clock: TestClock,
    chance: Arc<SeededChance>,
    boundaries: Arc<Boundaries>,
    disks: Mutex<Vec<Disk>>,
    calls: AtomicUsize,
    /// Tool and result of each call that has ended, by its number.
    results: Mutex<BTreeMap<usize, (String, String)>>,
}

impl fmt::Debug for TestRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestRun").field("crash", &self.parts.crash).finish_non_exhaustive()
    }
}

impl TestRun {
    /// Begins a run in a runtime whose time is paused.
    pub(super) fn begin(crash: Option<CrashPoint>) -> Self {
        Self {
            parts: Arc::new(Parts {
                crash,
                clock: TestClock::start(),
                chance: Arc::new(SeededChance::new(SEED)),
                boundaries: Arc::new(Boundaries::new(crash)),
                disks: Mutex::default(),
                calls: AtomicUsize::new(0),
                results: Mutex::default(),
            }),
        }
    }

    /// Opens a server over an empty store in memory. The function makes its builder, once now and once after each crash;
    /// it need not name a store, and the clock is the run's. What the function captures is the outside world, which no
    /// crash takes back: stand-ins for services, a [`Witness`](super::Witness).
    ///
    /// # Panics
    ///
    /// When the server cannot be opened.
    pub async fn server(&self, build: impl Fn() -> ServerBuilder + Send + Sync + 'static) -> TestServer {
        let disk = Disk::new(Arc::clone(&self.parts.boundaries));
        self.parts.disks.lock().push(disk.clone());
        let server = TestServer::open(self.clone(), disk, Box::new(build)).await;
        self.parts.boundaries.begin();
        server
    }

    /// The clock of the run.
    pub fn clock(&self) -> TestClock {
        self.parts.clock.clone()
    }

    /// Where the server crashes in this run; `None` in the undisturbed one.
    pub fn crash(&self) -> Option<CrashPoint> {
        self.parts.crash
    }

    pub(super) fn chance(&self) -> Arc<SeededChance> {
        Arc::clone(&self.parts.chance)
    }

    pub(super) fn boundaries(&self) -> &Boundaries {
        &self.parts.boundaries
    }

    pub(super) fn next_call(&self) -> usize {
        self.parts.calls.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// A call has its result.
    pub(super) fn ended(&self, call: usize, tool: &str, result: String) {
        self.parts.results.lock().insert(call, (tool.to_owned(), result));
    }

    /// What is left of the run.
    pub(super) fn end(&self) -> End {
        let mut end = End::default();
        for (number, (tool, result)) in &*self.parts.results.lock() {
            end.add_call(*number, tool.clone(), result.clone());
        }
        for (server, disk) in self.parts.disks.lock().iter().enumerate() {
            end.add_disk(server, disk.rows());
        }
        end.renamed(&self.parts.chance.made())
    }
}
