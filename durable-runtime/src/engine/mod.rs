//! The engine: admits calls, runs their bodies, commits what these produce, and goes on with what was cut off.

mod admission;
mod answer;
mod conversation;
mod deadline;
mod delivery;
mod derived_key;
mod directory;
mod driver;
mod ending;
mod execution;
mod fit;
mod fork;
mod interruption;
mod intervention;
mod invocation;
mod key;
mod limit;
mod look;
mod notice;
mod place;
mod question;
mod recovery;
mod rehearsal;
mod retention;
mod shutdown;
mod stop;
mod stored;
mod survey;
mod suspect;
mod timer;
mod unclean;
mod validation;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

pub(crate) use admission::{Call, Name, Refusal};
pub(crate) use answer::{Answer, Submitted};
pub(crate) use conversation::{Conversation, Question, Questions, Verdict};
pub(crate) use delivery::Delivery;
pub(crate) use derived_key::{KeySource, check as check_key_source};
pub use fit::Unfit;
pub(crate) use interruption::Interruption;
pub(crate) use intervention::unknown;
pub(crate) use invocation::{Invocation, Surroundings, TransactionEnd};
pub(crate) use key::digest;
pub use limit::Limits;
pub(crate) use look::Look;
pub(crate) use notice::{Listener, Notice};
pub use validation::Difference;

use self::delivery::Delivered;
use self::directory::Directory;
use self::key::KeyLocks;
use self::place::Places;
use self::stop::Stop;
use self::timer::Timers;
use self::unclean::UncleanEnds;
use crate::tool::Registry;

/// How many invocations are read at once by themselves.
const JOURNALS_READ_AT_ONCE: usize = 64;

/// An engine over one store.
pub(crate) struct Engine {
    surroundings: Arc<Surroundings>,
    tools: Registry,
    /// How often the store was opened, this time included.
    opening: AtomicU64,
    /// Which build this is, for the journals.
    build: String,
    directory: Directory,
    timers: Timers,
    places: Places,
    unclean_ends: UncleanEnds,
    key_locks: KeyLocks,
    delivered: Delivered,
    reading: Semaphore,
    /// Said when the server stops: no attempt starts any more, those that run may end.
    stopping: Stop,
    /// Said when they have had time enough: bodies are dropped where they stand.
    abandoning: Stop,
    tasks: TaskTracker,
}

impl Engine {
    pub(crate) fn new(surroundings: Surroundings, tools: Registry, build: String) -> Arc<Self> {
        Arc::new(Self {
            places: Places::new(surroundings.limits.running),
            surroundings: Arc::new(surroundings),
            tools,
            opening: AtomicU64::new(0),
            build,
            directory: Directory::default(),
            timers: Timers::default(),
            unclean_ends: UncleanEnds::default(),
            key_locks: KeyLocks::default(),
            delivered: Delivered::default(),
            reading: Semaphore::new(JOURNALS_READ_AT_ONCE),
            stopping: Stop::default(),
            abandoning: Stop::default(),
            tasks: TaskTracker::new(),
        })
    }

    pub(crate) fn tools(&self) -> &Registry {
        &self.tools
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.is_said()
    }

    /// How often the store was opened, this time included.
    pub(crate) fn opening(&self) -> u64 {
        self.opening.load(Ordering::Relaxed)
    }

    /// Runs something beside the invocations, until the server stops.
    pub(crate) fn in_background(&self, work: impl Future<Output = ()> + Send + 'static) {
        let stopping = self.stopping.token();
        self.tasks.spawn(async move {
            tokio::select! {
                biased;
                () = work => {}
                () = stopping.cancelled() => {}
            }
        });
    }

    pub(crate) fn surroundings(&self) -> &Arc<Surroundings> {
        &self.surroundings
    }
}
