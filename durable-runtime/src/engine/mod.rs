//! The engine: admits calls, runs their bodies, commits what these produce, and goes on with what was cut off.

mod admission;
mod answer;
mod derived_key;
mod directory;
mod driver;
mod execution;
mod interruption;
mod invocation;
mod limit;
mod recovery;
mod shutdown;
mod timer;
mod validation;

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(crate) use admission::{Call, Refusal};
pub(crate) use derived_key::{KeySource, check as check_key_source};
pub(crate) use invocation::{Invocation, Surroundings};
pub use limit::Limits;
pub use validation::Difference;

use self::admission::KeyLocks;
use self::directory::Directory;
use self::timer::Timers;
use crate::tool::Registry;

/// How many journals are read at once during recovery.
const JOURNALS_READ_AT_ONCE: usize = 64;

/// An engine over one store.
pub(crate) struct Engine {
    surroundings: Arc<Surroundings>,
    tools: Registry,
    /// Which build this is, for the journals.
    build: String,
    directory: Directory,
    timers: Timers,
    key_locks: KeyLocks,
    reading: Semaphore,
    /// Cancelled when the server stops: no attempt starts any more, those that run may end.
    stopping: CancellationToken,
    /// Cancelled when they have had time enough: bodies are dropped where they stand.
    abandoning: CancellationToken,
    tasks: TaskTracker,
}

impl Engine {
    pub(crate) fn new(surroundings: Surroundings, tools: Registry, build: String) -> Arc<Self> {
        Arc::new(Self {
            surroundings: Arc::new(surroundings),
            tools,
            build,
            directory: Directory::default(),
            timers: Timers::default(),
            key_locks: KeyLocks::default(),
            reading: Semaphore::new(JOURNALS_READ_AT_ONCE),
            stopping: CancellationToken::new(),
            abandoning: CancellationToken::new(),
            tasks: TaskTracker::new(),
        })
    }

    pub(crate) fn tools(&self) -> &Registry {
        &self.tools
    }

    pub(crate) fn surroundings(&self) -> &Arc<Surroundings> {
        &self.surroundings
    }
}
