//! How a server is put together and opened.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::beside::Beside;
#[cfg(feature = "http")]
use super::http;
use super::opening::Opening;
use super::server::Server;
use crate::chance::{Chance, SystemChance};
use crate::clock::{Clock, SystemClock};
use crate::engine::Limits;
use crate::error::Error;
use crate::prompt::Prompt;
use crate::resource::Resource;
use crate::state::States;
use crate::store::Store;
use crate::tool::Tool;
use crate::toolset::Toolset;

pub(super) enum StoreChoice {
    None,
    File(PathBuf),
    Given(Arc<dyn Store>),
}

/// Puts a [`Server`] together.
///
/// ```
/// # use durable_runtime::prelude::*;
/// /// Greets.
/// #[durable_tool(read_only)]
/// async fn greet(cx: &ReadContext, name: String) -> Result<String, ToolError> {
///     Ok(format!("Hello, {name}!"))
/// }
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Error> {
/// # let directory = tempfile::tempdir().unwrap();
/// # let path = directory.path().join("greeter.redb");
/// let server = Server::builder("greeter", "1.0.0")
///     .instructions("Call `greet` to be greeted.")
///     .store(path)
///     .tool(greet)
///     .open()
///     .await?;
/// # server.shutdown().await;
/// # Ok(())
/// # }
/// ```
pub struct ServerBuilder {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) instructions: Option<String>,
    pub(super) store: StoreChoice,
    pub(super) cache_bytes: Option<usize>,
    pub(super) quick_recovery: bool,
    pub(super) tools: Vec<Box<dyn Tool>>,
    pub(super) states: States,
    pub(super) duplicate_state: Option<&'static str>,
    pub(super) limits: Limits,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) chance: Arc<dyn Chance>,
    pub(super) grace: Duration,
    pub(super) session_time_to_live: Duration,
    pub(super) task_time_to_live: Duration,
    pub(super) task_after: Option<Duration>,
    #[cfg(feature = "http")]
    pub(super) http: http::Options,
    pub(super) beside: Option<Beside>,
}

impl ServerBuilder {
    pub(super) fn new(name: String, version: String) -> Self {
        Self {
            name,
            version,
            instructions: None,
            store: StoreChoice::None,
            cache_bytes: None,
            quick_recovery: false,
            tools: Vec::new(),
            states: States::default(),
            duplicate_state: None,
            limits: Limits::default(),
            clock: Arc::new(SystemClock),
            chance: Arc::new(SystemChance),
            grace: Duration::from_secs(10),
            session_time_to_live: Duration::from_secs(24 * 60 * 60),
            task_time_to_live: Duration::from_secs(24 * 60 * 60),
            task_after: Some(Duration::from_secs(10)),
            #[cfg(feature = "http")]
            http: http::Options::default(),
            beside: None,
        }
    }

    /// What the server tells clients, and through them models, about its use.
    #[must_use]
    pub fn instructions(mut self, instructions: impl Into<String>) -> Self {
        self.instructions = Some(instructions.into());
        self
    }

    /// The file that everything durable is kept in. It is made if it does not exist; its directory must exist. One server
    /// at a time has it open; see [`serve_stdio`](Self::serve_stdio) for how others share it.
    #[must_use]
    pub fn store(mut self, path: impl Into<PathBuf>) -> Self {
        self.store = StoreChoice::File(path.into());
        self
    }

    /// Another store than a file.
    #[must_use]
    pub fn custom_store(mut self, store: impl Store) -> Self {
        self.store = StoreChoice::Given(Arc::new(store));
        self
    }

    /// Memory for cached parts of the store's file, in bytes (256 MiB). The file may be much larger.
    #[must_use]
    pub fn cache_bytes(mut self, bytes: usize) -> Self {
        self.cache_bytes = Some(bytes);
        self
    }

    /// Opens the store's file in no time after a kill, in place of a second for each GiB of it. Every commit then takes two
    /// syncs of the disk in place of one.
    #[must_use]
    pub fn quick_recovery(mut self, is_quick: bool) -> Self {
        self.quick_recovery = is_quick;
        self
    }

    /// Offers a tool: the name of a function under `#[durable_tool]`.
    #[must_use]
    pub fn tool<T: Tool>(mut self, tool: impl FnOnce() -> T) -> Self {
        self.tools.push(Box::new(tool()));
        self
    }

    /// Offers a prompt: the name of a function under `#[durable_prompt]`.
    #[must_use]
    pub fn prompt<T: Prompt>(mut self, prompt: impl FnOnce() -> T) -> Self {
        self.tools.push(Box::new(prompt()));
        self
    }

    /// Offers a resource, or a template of many: the name of a function under `#[durable_resource]`.
    #[must_use]
    pub fn resource<T: Resource>(mut self, resource: impl FnOnce() -> T) -> Self {
        self.tools.push(Box::new(resource()));
        self
    }

    /// Offers many tools, in addition to those given before; a value whose type
    /// has an impl block under `#[durable_tools]`, or a list from [`tools!`](crate::tools).
    #[must_use]
    pub fn tools(mut self, tools: impl Toolset) -> Self {
        self.tools.extend(tools.tools());
        self
    }

    /// Sets a handler of rmcp (version 3) beside this server's tools, prompts and resources: for
    /// what a server has already, and what this framework does not do. It answers for what this server does not have, its lists
    /// are joined to this server's, and nothing of it is journaled.
    ///
    /// ```
    /// # use durable_runtime::prelude::*;
    /// use rmcp::ServerHandler;
    ///
    /// struct Existing;
    /// impl ServerHandler for Existing {}
    ///
    /// let builder = Server::builder("shop", "1.0.0").beside(Existing);
    /// ```
    ///
    /// # Errors
    ///
    /// When the server is opened: `duplicate_tool`, if it says that it has a tool of the same name.
    #[must_use]
    pub fn beside(mut self, handler: impl rmcp::ServerHandler) -> Self {
        self.beside = Some(Arc::new(handler));
        self
    }

    /// Gives what tools take as a [`State`](crate::State) of this type.
    ///
    /// # Errors
    ///
    /// When the server is opened: `duplicate_state`, if there are two of one type.
    #[must_use]
    pub fn state<T: Send + Sync + 'static>(mut self, state: T) -> Self {
        if !self.states.insert(state) {
            self.duplicate_state.get_or_insert(std::any::type_name::<T>());
        }
        self
    }

    /// Sets the limits of what one call, and all of them together, may use.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Another clock than the machine's.
    #[must_use]
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Makes all ids, and all that is left to chance, a function of this seed, for simulations. Two servers on one store have
    /// seeds of their own, or they would make the same ids.
    #[cfg(feature = "testing")]
    #[must_use]
    pub fn seed(self, seed: u64) -> Self {
        self.chance(Arc::new(crate::testing::SeededChance::new(seed)))
    }

    /// Other ids and another chance than the system's.
    #[cfg(feature = "testing")]
    #[must_use]
    pub(crate) fn chance(mut self, chance: Arc<dyn Chance>) -> Self {
        self.chance = chance;
        self
    }

    /// How long running attempts may go on when the server stops (10 s). What still runs then is dropped, as in a crash.
    #[must_use]
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// How long a session of the revision 2025-11-25 that nobody uses is kept, with the streams of its calls (24 h). Its
    /// client begins a new one after that; calls that it made are kept.
    #[must_use]
    pub fn session_time_to_live(mut self, time_to_live: Duration) -> Self {
        self.session_time_to_live = time_to_live;
        self
    }

    /// How long a task is kept after its end (24 h); then it is unknown. A task that has not ended is kept.
    #[must_use]
    pub fn task_time_to_live(mut self, time_to_live: Duration) -> Self {
        self.task_time_to_live = time_to_live;
        self
    }

    /// After how long a call goes on as a task, where the client declares the tasks extension of the revision 2026-07-28 and
    /// the tool does not say otherwise (10 s); `None`: such calls are waited for to their end.
    #[must_use]
    pub fn task_after(mut self, soft_deadline: Option<Duration>) -> Self {
        self.task_after = soft_deadline;
        self
    }

    /// Checks the tools, opens the store, and goes on with every call in it that has not ended.
    ///
    /// # Errors
    ///
    /// `duplicate_tool`, `schema_invalid`, `audit_redact_unknown`, `idempotency_argument_invalid`, `state_missing` and
    /// `duplicate_state` (of the tools); `store_missing`, `store_foreign`, `store_held`,
    /// `store_damaged`, `store_format_newer`, `store_directory_missing`, `store_not_permitted`, `store_unavailable` (of the
    /// store). Nothing is written to a file that is refused.
    pub async fn open(self) -> Result<Server, Error> {
        let opening = Opening::new(self)?;
        let store = opening.store().await?;
        opening.start(store).await
    }

    /// Serves one client over standard input and output, until input ends, Ctrl-C or SIGTERM. It opens the store; where another
    /// process has the store's file open, it relays the client's messages to that one, and takes over when it goes. So any number of
    /// processes that are started for one client each can share a store. Nothing else may write to standard output.
    ///
    /// The processes are of one user and one server: what has another name is refused. Where the system has no Unix sockets, a
    /// second process is refused.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open); `store_held` only when the file is held by what does not take the client. `stdio_failed`, when
    /// the client does not speak the protocol.
    pub async fn serve_stdio(self) -> Result<(), Error> {
        let opening = Opening::new(self)?;
        #[cfg(unix)]
        if let Some(path) = opening.path().map(ToOwned::to_owned) {
            return super::relay::serve(opening, &path).await;
        }
        let store = opening.store().await?;
        opening.start(store).await?.serve_stdio().await
    }
}
