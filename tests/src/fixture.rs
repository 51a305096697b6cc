//! A directory with a store and a witness, and the servers that are started on it.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::pin::pin;
use std::process::Command;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::client::{Client, Revision};
use crate::effect::{self, Effect};
use crate::process::ServerProcess;
use crate::wait::eventually;

/// What outlives a server that is killed: its store, and what the witness saw.
#[derive(Debug)]
pub struct Fixture {
    directory: TempDir,
    program: &'static str,
}

impl Fixture {
    /// An empty directory, for servers of this program.
    ///
    /// # Panics
    ///
    /// When it cannot be made.
    pub fn new(program: &'static str) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        Self { directory, program }
    }

    /// The command that starts a server here.
    pub fn command(&self, flags: &[&str]) -> Command {
        let mut command = Command::new(self.program);
        command.arg(self.directory.path()).args(flags);
        command
    }

    /// Starts a server over HTTP, and forgets the points that an earlier one reached.
    pub fn start(&self, flags: &[&str]) -> ServerProcess {
        // It is not there before a point was reached.
        let _ = fs::remove_file(self.path("reached"));
        ServerProcess::start(self.command(flags), self.log())
    }

    /// The file that the servers log to.
    pub fn log(&self) -> PathBuf {
        self.path("log")
    }

    /// The file of the store.
    pub fn store(&self) -> PathBuf {
        self.path("store.redb")
    }

    /// The socket of the process that has the store.
    pub fn socket(&self) -> PathBuf {
        self.path("store.redb.sock")
    }

    /// Kills the process that has the store with SIGKILL, and gives its id.
    ///
    /// # Panics
    ///
    /// When none has it.
    pub fn kill_owner(&self) -> u32 {
        let note = fs::read_to_string(self.path("store.redb.owner")).expect("the owner of the store is written down");
        let pid: u32 = note.trim().parse().expect("it is the id of a process");
        let owner = i32::try_from(pid).ok().and_then(Pid::from_raw).expect("it is one that can be");
        kill_process(owner, Signal::KILL).expect("the owner of the store can be killed");
        pid
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// From now on, whoever comes to this point waits there.
    ///
    /// # Panics
    ///
    /// When the file that says so cannot be made.
    pub fn hold(&self, point: &str) {
        fs::write(self.path(&format!("hold.{point}")), "").expect("a point can be held");
    }

    /// Lets those go on who wait at this point.
    ///
    /// # Panics
    ///
    /// When nobody held it.
    pub fn release(&self, point: &str) {
        fs::remove_file(self.path(&format!("hold.{point}"))).expect("the point is held");
    }

    /// Waits until the running server has come to a point that is held.
    pub async fn reached(&self, point: &str) {
        let reached = self.path("reached");
        eventually(&format!("the point `{point}`"), async || {
            let lines = effect::lines(&reached);
            lines.iter().any(|line| line == point).then_some(())
        })
        .await;
    }

    /// All effects up to now, oldest first.
    pub fn effects(&self) -> Vec<Effect> {
        effect::read(&self.path("effects"))
    }

    /// The effects up to now, as `label attempt`, oldest first.
    pub fn seen(&self) -> Vec<String> {
        let effects = self.effects();
        effects.iter().map(|effect| format!("{} {}", effect.label, effect.attempt)).collect()
    }

    /// How often each label had its effect.
    pub fn counts(&self) -> HashMap<String, usize> {
        let mut counts = HashMap::new();
        for effect in self.effects() {
            *counts.entry(effect.label).or_default() += 1;
        }
        counts
    }

    /// Waits until this many effects were seen.
    pub async fn effects_reach(&self, count: usize) {
        eventually(&format!("effect {count}"), async || (self.effects().len() >= count).then_some(())).await;
    }

    /// Starts a server, makes a call, and kills the server with SIGKILL when it has come to this point, which stays held.
    ///
    /// # Panics
    ///
    /// When the call is answered before that.
    pub async fn kill_at(&self, point: &str, tool: &str, arguments: &Value, key: &str) {
        // Before the start, for an invocation that is there already goes on at once.
        self.hold(point);
        let server = self.start(&[]);
        let client = Client::http(server.url(), Revision::November2025).await;
        let mut call = pin!(client.call_keyed(tool, arguments, key));
        tokio::select! {
            answer = &mut call => panic!("the call was answered before `{point}`: {answer:?}"),
            () = self.reached(point) => {}
        }
        server.kill();
    }

    /// Runs a server that is to die by itself, and waits until it has.
    ///
    /// # Panics
    ///
    /// When it cannot be started, or ends as if all were well.
    pub async fn dies(&self, flags: &[&str]) {
        let status = ServerProcess::spawn(self.command(flags), self.log()).end().await;
        assert!(!status.success(), "the server ended with {status}");
    }
}
