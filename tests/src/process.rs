//! A server process.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc;

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};

use crate::wait::{PATIENCE, eventually};

/// A server that serves HTTP. It is killed when this value is dropped.
#[derive(Debug)]
pub struct ServerProcess {
    process: Child,
    url: String,
    log: PathBuf,
}

impl ServerProcess {
    /// Starts a server and waits until it says where it listens.
    pub(crate) fn start(command: Command, log: PathBuf) -> Self {
        let mut server = Self::spawn(command, log);
        let stdout = server.process.stdout.take().expect("standard output is piped");
        let line = first_line(stdout);
        let url = line.strip_prefix("listening on ");
        url.unwrap_or_else(|| panic!("the server says `{line}` in place of where it listens"))
            .clone_into(&mut server.url);
        server
    }

    /// Starts a server, which may end before it listens; its log goes to a file.
    pub(crate) fn spawn(mut command: Command, log: PathBuf) -> Self {
        let file = std::fs::OpenOptions::new().create(true).append(true).open(&log);
        let process = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(file.expect("the log can be opened"))
            .spawn()
            .expect("the server can be started");
        Self { process, url: String::new(), log }
    }

    /// Where it listens, as `http://127.0.0.1:9991/mcp`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Kills it with SIGKILL.
    ///
    /// # Panics
    ///
    /// When it has ended already.
    pub fn kill(mut self) {
        assert!(self.ended().is_none(), "the server ended before it was killed");
        self.process.kill().expect("a child can be killed");
        self.process.wait().expect("a child can be waited for");
    }

    /// Asks it to stop, with SIGTERM, and does not wait for it.
    ///
    /// # Panics
    ///
    /// When it has ended already.
    pub fn ask_to_stop(&self) {
        let pid = i32::try_from(self.process.id()).ok().and_then(Pid::from_raw);
        kill_process(pid.expect("a child has an id"), Signal::TERM).expect("a child can be signalled");
    }

    /// Waits until it has ended by itself.
    pub async fn end(mut self) -> ExitStatus {
        eventually("the end of the server", async || self.ended()).await
    }

    /// Asks it to stop and waits until it has.
    ///
    /// # Panics
    ///
    /// When it does not, or says that it failed.
    pub async fn stop(self) {
        self.ask_to_stop();
        let status = self.end().await;
        assert!(status.success(), "the server stopped with {status}");
    }

    fn ended(&mut self) -> Option<ExitStatus> {
        self.process.try_wait().expect("a child can be waited for")
    }
}

/// Lets this process and the servers that it starts have some thousands of connections at once.
///
/// # Panics
///
/// When the system does not let them.
pub fn allow_many_files() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = maximum.map_or(8192, |maximum| maximum.min(8192));
    if current.is_some_and(|current| current < wanted) {
        let raised = Rlimit { current: Some(wanted), maximum };
        setrlimit(Resource::Nofile, raised).expect("a limit below the maximum can be raised");
    }
}

fn first_line(stdout: ChildStdout) -> String {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        let read = BufReader::new(stdout).read_line(&mut line);
        // Nobody listens any more if the test gave up.
        let _ = sender.send(read.map(|_| line.trim_end().to_owned()));
    });
    let line = receiver.recv_timeout(PATIENCE).expect("the server says a line");
    line.expect("what the server says can be read")
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        // Both fail only when it has ended and been waited for.
        let _ = self.process.kill();
        let _ = self.process.wait();
        if std::thread::panicking() {
            let log = std::fs::read_to_string(&self.log).unwrap_or_default();
            eprintln!("the log of the server:\n{log}");
        }
    }
}
