//! A server within a test, which comes back after a crash.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;

use serde_json::Value;
use tokio::sync::watch;

use super::disk::{Disk, Life};
use super::end::result_text;
use super::run::TestRun;
use crate::error::Error;
use crate::local::{LocalCall, LocalResult};
use crate::mcp::{Server, ServerBuilder};
use crate::store::GroupCommit;
use crate::table::Store;

/// A server within a test's own process, over a store in memory. After a crash it is opened again over what was durable.
///
/// Clones are the same server.
#[derive(Clone)]
pub struct TestServer {
    parts: Arc<Parts>,
}

struct Parts {
    run: TestRun,
    disk: Disk,
    build: Box<dyn Fn() -> ServerBuilder + Send + Sync>,
    now: watch::Sender<State>,
}

/// What is of the server just now.
#[derive(Clone)]
enum State {
    Opening,
    Open {
        server: Server,
        life: Arc<Life>,
    },
    /// It cannot be opened, for this reason.
    Broken(String),
}

impl fmt::Debug for TestServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestServer").finish_non_exhaustive()
    }
}

impl TestServer {
    pub(super) async fn open(run: TestRun, disk: Disk, build: Box<dyn Fn() -> ServerBuilder + Send + Sync>) -> Self {
        let parts = Arc::new(Parts { run, disk, build, now: watch::Sender::new(State::Opening) });
        parts.start().await;
        tokio::spawn(come_back(Arc::clone(&parts)));
        let server = Self { parts };
        server.living().await;
        server
    }

    /// Calls a tool, as a client would that does not give up: when the server crashes meanwhile, the call is made again after
    /// the restart under the same idempotency key, and so is given what the recovered invocation ends with. Unless told
    /// otherwise, each call of a test has a key of its own.
    ///
    /// # Errors
    ///
    /// When awaited: as [`Server::call`](crate::Server::call).
    ///
    /// # Panics
    ///
    /// When the server cannot be opened again.
    pub fn call(&self, tool: impl Into<String>, arguments: Value) -> TestCall {
        let number = self.parts.run.next_call();
        TestCall {
            server: self.clone(),
            number,
            tool: tool.into(),
            arguments,
            options: Options { key: format!("call {number} of the test"), principal: None, person: None },
        }
    }

    /// The store, to read and write tables. It is what is durable, whether the server lives or not; what is written with it
    /// is no commit of the server.
    ///
    /// # Panics
    ///
    /// When the system gives no thread.
    pub fn store(&self) -> Store {
        Store::custom(GroupCommit::new(self.parts.disk.rows().clone()).expect("the system gives a thread"))
    }

    /// Crashes now: everything in the server is dropped where it stands, and it is opened again over what is durable.
    pub async fn crash(&self) {
        let (_, life) = self.living().await;
        life.end();
        self.after(&life).await;
    }

    /// Stops the server as [`Server::shutdown`](crate::Server::shutdown) does, and opens it again.
    pub async fn restart(&self) {
        let (server, life) = self.living().await;
        self.parts.now.send_replace(State::Opening);
        // Closing the store ends the life.
        server.shutdown().await;
        self.after(&life).await;
    }

    /// The server itself, as it is open just now. After a crash it is another one.
    pub async fn server(&self) -> Server {
        self.living().await.0
    }

    /// Waits until the server is open.
    async fn living(&self) -> (Server, Arc<Life>) {
        let mut now = self.parts.now.subscribe();
        loop {
            match &*now.borrow_and_update() {
                State::Open { server, life } if !life.is_over() => return (server.clone(), Arc::clone(life)),
                State::Broken(why) => panic!("the server of the test cannot be opened: {why}"),
                State::Open { .. } | State::Opening => {}
            }
            now.changed().await.expect("this handle has the sender");
        }
    }

    /// Whether this life goes on.
    fn is_in(&self, life: &Arc<Life>) -> bool {
        matches!(&*self.parts.now.borrow(), State::Open { life: current, .. } if Arc::ptr_eq(current, life))
            && !life.is_over()
    }

    /// Waits until another life is there than this one.
    async fn after(&self, life: &Arc<Life>) {
        let mut now = self.parts.now.subscribe();
        let is_past = |state: &State| match state {
            State::Open { life: current, .. } => !Arc::ptr_eq(current, life),
            State::Opening => false,
            State::Broken(_) => true,
        };
        drop(now.wait_for(is_past).await);
    }
}

impl Parts {
    async fn start(&self) {
        let store = self.disk.mount();
        let life = Arc::clone(store.life());
        let builder = (self.build)().custom_store(store).clock(self.run.clock()).chance(self.run.chance());
        let state = match builder.open().await {
            Ok(server) => State::Open { server, life },
            Err(error) => State::Broken(format!("{} ({})", error, error.code())),
        };
        self.now.send_replace(state);
    }
}

/// Opens the server again whenever a life of it is over.
async fn come_back(parts: Arc<Parts>) {
    loop {
        let State::Open { server, life } = parts.now.borrow().clone() else { return };
        life.ended().await;
        server.die().await;
        drop(server);
        parts.start().await;
    }
}

/// A call of a test: made when it is awaited.
#[must_use = "a call is made when it is awaited"]
pub struct TestCall {
    server: TestServer,
    number: usize,
    tool: String,
    arguments: Value,
    options: Options,
}

#[derive(Clone)]
struct Options {
    key: String,
    principal: Option<String>,
    person: Option<Arc<Answering>>,
}

type Answering = dyn Fn(&str, &Value) -> Value + Send + Sync;

impl fmt::Debug for TestCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestCall").field("number", &self.number).field("tool", &self.tool).finish_non_exhaustive()
    }
}

impl TestCall {
    /// Gives the call this idempotency key, in place of one of its own.
    pub fn idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.options.key = key.into();
        self
    }

    /// Makes the call in the name of this caller, in place of the anonymous one.
    pub fn principal(mut self, principal: impl Into<String>) -> Self {
        self.options.principal = Some(principal.into());
        self
    }

    /// Answers the questions of the call, as [`LocalCall::answering`] does.
    pub fn answering(mut self, answer: impl Fn(&str, &Value) -> Value + Send + Sync + 'static) -> Self {
        self.options.person = Some(Arc::new(answer));
        self
    }

    async fn make(self) -> Result<LocalResult, Error> {
        loop {
            let (server, life) = self.server.living().await;
            let answer = self.options.of(server.call(self.tool.clone(), self.arguments.clone())).await;
            if answer.is_err() && !self.server.is_in(&life) {
                continue;
            }
            self.server.parts.run.ended(self.number, &self.tool, result_text(&answer));
            return answer;
        }
    }
}

impl Options {
    fn of(&self, call: LocalCall) -> LocalCall {
        let mut call = call.idempotency_key(&self.key);
        if let Some(principal) = &self.principal {
            call = call.principal(principal);
        }
        if let Some(person) = self.person.clone() {
            call = call.answering(move |key, request| person(key, request));
        }
        call
    }
}

impl IntoFuture for TestCall {
    type Output = Result<LocalResult, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.make())
    }
}
