//! The server's process: its start and end, and the CPU time that it uses.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use rustix::param::clock_ticks_per_second;
use rustix::process::{Pid, Signal, kill_process};
use rustix::time::{ClockId, clock_gettime};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// A server that this program started. It does not outlive this value.
#[derive(Debug)]
pub(crate) struct Started {
    process: Child,
    pub(crate) url: Option<String>,
    pub(crate) pipes: Option<(ChildStdin, ChildStdout)>,
}

impl Started {
    /// Starts a server; one over HTTP is waited for until it says where it listens.
    pub(crate) async fn start(program: &str, arguments: &[String], stdio: bool) -> anyhow::Result<Self> {
        let mut command = Command::new(program);
        command.args(arguments).stdout(Stdio::piped()).kill_on_drop(true);
        command.stdin(if stdio { Stdio::piped() } else { Stdio::null() });
        let mut process = command.spawn().with_context(|| format!("cannot start `{program}`"))?;
        let stdout = process.stdout.take().context("standard output is not piped")?;
        if stdio {
            let stdin = process.stdin.take().context("standard input is not piped")?;
            return Ok(Self { process, url: None, pipes: Some((stdin, stdout)) });
        }
        let line = BufReader::new(stdout).lines().next_line().await?;
        let Some(line) = line else { bail!("`{program}` did not start: it ended with {}", process.wait().await?) };
        let url = line.strip_prefix("listening on ");
        let url = url.with_context(|| format!("`{program}` should say where it listens, but says `{line}`"))?;
        Ok(Self { process, url: Some(url.to_owned()), pipes: None })
    }

    /// Its process.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.process.id()
    }

    /// Asks it to stop, and waits until it has.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        let pid = self.pid().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
        if let Some(pid) = pid {
            // It may have ended by itself.
            let _gone = kill_process(pid, Signal::TERM);
        }
        let status = self.process.wait().await?;
        ensure!(status.success() || status.code().is_none(), "the server ended with {status}");
        Ok(())
    }
}

/// The CPU time that a process has used, in user and system mode, in all its threads.
pub(crate) fn cpu_of(pid: u32) -> anyhow::Result<Duration> {
    let path = format!("/proc/{pid}/stat");
    let stat = std::fs::read_to_string(&path).with_context(|| format!("cannot read `{path}`"))?;
    // The name before the last parenthesis may have spaces in it.
    let (_, fields) = stat.rsplit_once(')').context("the process's state is not as proc(5) says")?;
    let mut ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<u64>);
    let (Some(Ok(user)), Some(Ok(system))) = (ticks.next(), ticks.next()) else {
        bail!("the process's CPU time is not as proc(5) says");
    };
    Ok(Duration::from_millis((user + system) * 1000 / clock_ticks_per_second()))
}

/// The same of this process.
pub(crate) fn cpu_of_this_process() -> Duration {
    let used = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(used.tv_sec.try_into().unwrap_or(0), used.tv_nsec.try_into().unwrap_or(0))
}
