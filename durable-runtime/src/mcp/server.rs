//! A server: tools over an open store.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::announcement::{Change, Changes};
use super::beside::Beside;
use super::builder::ServerBuilder;
#[cfg(feature = "http")]
use super::http;
use super::round::Rounds;
use super::schema::Contract;
use super::session::Sessions;
use super::stdio;
use super::task::Tasks;
use crate::engine::{Difference, Engine, Unfit};
use crate::error::Error;
use crate::invocations::Invocations;
use crate::local::LocalCall;
use crate::store::CommitCounts;
use crate::table::Store;

pub(super) struct Parts {
    pub(super) engine: Arc<Engine>,
    pub(super) sessions: Sessions,
    #[cfg(unix)]
    pub(super) relays: super::relay::Relays,
    #[cfg(feature = "http")]
    pub(super) http: http::Options,
    pub(super) tasks: Tasks,
    pub(super) rounds: Rounds,
    pub(super) changes: Changes,
    pub(super) beside: Option<Beside>,
    pub(super) task_after: Option<Duration>,
    pub(super) contract: Contract,
    pub(super) name: String,
    pub(super) version: String,
    pub(super) instructions: Option<String>,
    pub(super) grace: Duration,
}

/// An MCP server whose calls survive anything. Calls that an earlier process left unfinished go on as soon as it is open.
///
/// Clones are the same server.
#[derive(Clone)]
pub struct Server {
    pub(super) parts: Arc<Parts>,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("name", &self.parts.name).finish_non_exhaustive()
    }
}

impl Server {
    pub(super) fn new(parts: Parts) -> Self {
        Self { parts: Arc::new(parts) }
    }

    /// Begins a server of this name and version, which clients are told.
    pub fn builder(name: impl Into<String>, version: impl Into<String>) -> ServerBuilder {
        ServerBuilder::new(name.into(), version.into())
    }

    /// Serves one client over standard input and output, until input ends, Ctrl-C or SIGTERM; then stops. Nothing else may
    /// write to standard output.
    ///
    /// # Errors
    ///
    /// `stdio_failed`, when the client does not speak the protocol.
    pub async fn serve_stdio(&self) -> Result<(), Error> {
        stdio::serve(self).await
    }

    /// Calls a tool from within the process, as a client would.
    ///
    /// ```
    /// # use durable_runtime::prelude::*;
    /// # async fn call(server: &Server) -> Result<(), Error> {
    /// let arguments = serde_json::json!({ "name": "ada" });
    /// let answer = server.call("register", arguments).idempotency_key("ada's registration").await?;
    /// println!("{:?}", answer.result);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// When awaited: `unknown_tool`, `invalid_arguments`, `idempotency_key_conflict`, `invocation_parked`, `busy` and the
    /// other codes of a call. An error of the tool itself is in the [`LocalResult`](crate::LocalResult).
    pub fn call(&self, tool: impl Into<String>, arguments: serde_json::Value) -> LocalCall {
        LocalCall::new(Arc::clone(&self.parts.engine), tool.into(), arguments)
    }

    /// Tells clients that the list of tools is another one than they were told. Those of 2026-07-28 are told that listen for it.
    pub fn tools_changed(&self) {
        self.parts.changes.tell(Change::Tools);
    }

    /// Tells clients that the list of prompts has changed.
    pub fn prompts_changed(&self) {
        self.parts.changes.tell(Change::Prompts);
    }

    /// Tells clients that the list of resources has changed.
    pub fn resources_changed(&self) {
        self.parts.changes.tell(Change::Resources);
    }

    /// Tells the clients that subscribed to a resource that there is something new in it.
    pub fn resource_updated(&self, uri: impl Into<String>) {
        self.parts.changes.tell(Change::Resource(uri.into()));
    }

    /// The server's invocations, for a person who looks after them: to list and explain them, and to help those that are parked.
    ///
    /// ```
    /// # use durable_runtime::prelude::*;
    /// # async fn look(server: &Server) -> Result<(), Error> {
    /// for parked in server.invocations().parked(None, 100).await?.invocations {
    ///     println!("{}", server.invocations().explain(parked.id).await?);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn invocations(&self) -> Invocations {
        Invocations::new(Arc::clone(&self.parts.engine))
    }

    /// Finds the calls that have not ended and do not fit this build, before their time comes: of tools that are gone or take other
    /// arguments, with outcomes that are no longer readable, and with steps that their bodies no longer come to. Bodies are replayed
    /// for that, without effects, as far as their journals lead. At each start the log says what of this is known without that.
    ///
    /// ```
    /// # use durable_runtime::prelude::*;
    /// # async fn check(server: &Server) -> Result<(), Error> {
    /// for unfit in server.unfit().await? {
    ///     eprintln!("{unfit}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// `store_unavailable` and `record_unreadable`, when the store cannot be read.
    pub async fn unfit(&self) -> Result<Vec<Unfit>, Error> {
        self.parts.engine.unfit().await
    }

    /// Replays every call that has ended, without effects, and reports what is not as its journal says: a sign that a tool's
    /// body depends on something that is not recorded. For tests.
    ///
    /// # Errors
    ///
    /// `store_unavailable` and `record_unreadable`, when the store cannot be read.
    pub async fn validate(&self) -> Result<Vec<Difference>, Error> {
        self.parts.engine.validate().await
    }

    /// Stops: running attempts get the grace period to end, and the store is closed. Calls that have not ended go on when
    /// a server is opened on the store again; their clients are told so.
    pub async fn shutdown(&self) {
        #[cfg(unix)]
        self.parts.relays.close();
        self.parts.engine.stop(self.parts.grace).await;
    }

    /// Drops everything where it stands, as the death of the process would: nothing is recorded of it, and the store is not
    /// closed. For tests.
    #[cfg(feature = "testing")]
    pub async fn die(&self) {
        self.parts.engine.die().await;
    }

    /// The server's store, to read and write tables outside of tools while it runs.
    ///
    /// ```
    /// # use durable_runtime::prelude::*;
    /// # async fn greet_first(server: &Server) -> Result<(), Error> {
    /// const GREETINGS: SortedMap<String> = SortedMap::new("greetings");
    /// GREETINGS.insert(&server.store(), [("ada", "Hello".to_owned())]).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn store(&self) -> Store {
        Store::of_server(Arc::clone(&self.parts.engine.surroundings().store))
    }

    /// How many commits the store has made since it was opened.
    pub fn commit_counts(&self) -> CommitCounts {
        self.parts.engine.surroundings().store.counts()
    }
}
