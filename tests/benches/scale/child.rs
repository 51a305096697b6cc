//! A second process of this program: one that can be killed, or that has a memory of its own.

use std::io::{self, BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

/// Says to the parent that everything is as it should be.
pub(crate) const READY: &str = "ready";

/// A process that was started, and is killed with this value unless it was told to end.
pub(crate) struct Process(Child);

impl Process {
    /// Starts this program with other arguments, prints what it prints, and returns when it says that it is ready.
    #[allow(clippy::print_stdout, reason = "what a process measured is passed on")]
    pub(crate) fn start(arguments: &[String]) -> io::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        let mut child = command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let stdout = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let started = Self(child);
        for line in BufReader::new(stdout).lines() {
            match line?.as_str() {
                READY => return Ok(started),
                other => println!("{other}"),
            }
        }
        Err(io::Error::other("the process ended before it was ready"))
    }

    /// Kills it, as `kill -9` does.
    pub(crate) fn kill(mut self) -> io::Result<()> {
        self.0.kill()?;
        self.0.wait().map(drop)
    }

    /// Lets it stop by itself, and waits until it has.
    pub(crate) fn stop(mut self) -> io::Result<()> {
        drop(self.0.stdin.take());
        let status = self.0.wait()?;
        if status.success() { Ok(()) } else { Err(io::Error::other(format!("the process ended with {status}"))) }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It has ended already if all went well.
        let _gone = self.0.kill();
        let _status = self.0.wait();
    }
}

/// In the process: says that it is ready, and waits until the parent lets it stop.
#[allow(clippy::print_stdout, reason = "the parent reads it")]
pub(crate) async fn ready_until_told() {
    println!("{READY}");
    let told = tokio::task::spawn_blocking(|| io::stdin().read_line(&mut String::new()));
    // Any end of standard input is the word to stop.
    let _end = told.await;
}
