//! A running example server.

use std::{
    path::Path,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use anyhow::{Context as _, anyhow, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, BufReader},
    process::{Child, Command},
    sync::mpsc,
    time::timeout,
};

// Opening a store after a kill may walk the whole file; those of the examples are small.
const START: Duration = Duration::from_secs(30);
const STOP: Duration = Duration::from_secs(10);
// Longer than any wait of the examples, also with `--slow`.
const LOG: Duration = Duration::from_secs(60);

/// A server process, whose log goes to the screen, and which does not outlive this value.
#[derive(Debug)]
pub struct RunningServer {
    process: Child,
    url: String,
    log: mpsc::UnboundedReceiver<String>,
}

impl RunningServer {
    /// Starts a server and waits until it says where it listens.
    pub async fn start(command: &mut Command) -> anyhow::Result<Self> {
        let program = Path::new(command.as_std().get_program()).display().to_string();
        let mut process = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start `{program}`"))?;
        let stdout = process.stdout.take().context("standard output is not piped")?;
        let stderr = process.stderr.take().context("standard error is not piped")?;
        let mut log = show_log(stderr);
        let mut stdout = BufReader::new(stdout).lines();
        let first_line = timeout(START, stdout.next_line())
            .await
            .map_err(|_| anyhow!("`{program}` does not say where it listens"))?
            .with_context(|| format!("cannot read what `{program}` says"))?;
        let Some(first_line) = first_line else {
            // What it has to say about that comes before what we say.
            while log.recv().await.is_some() {}
            bail!("`{program}` did not start: it ended with {}", process.wait().await?);
        };
        let url = first_line
            .strip_prefix("listening on ")
            .with_context(|| format!("`{program}` should say where it listens, but says `{first_line}`"))?
            .to_owned();
        Ok(Self { process, url, log })
    }

    /// Where it listens, as `http://127.0.0.1:9991/mcp`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Waits until a line of its log contains all these words.
    pub async fn logged(&mut self, words: &[&str]) -> anyhow::Result<()> {
        let found = async {
            while let Some(line) = self.log.recv().await {
                if words.iter().all(|word| line.contains(word)) {
                    return Ok(());
                }
            }
            bail!("the server ended before it logged {words:?}")
        };
        timeout(LOG, found).await.map_err(|_| anyhow!("the server has not logged {words:?} for {} s", LOG.as_secs()))?
    }

    /// Kills it with SIGKILL: it cannot notice, let alone tidy up.
    pub async fn kill(mut self) -> anyhow::Result<ExitStatus> {
        self.process.start_kill().context("cannot kill the server")?;
        self.process.wait().await.context("cannot wait for the killed server")
    }

    /// Asks it to stop, and kills it if it does not.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        self.ask_to_stop();
        let stopped = timeout(STOP, self.process.wait()).await;
        let Ok(status) = stopped else {
            self.process.kill().await.context("cannot kill the server")?;
            bail!("the server did not stop within {} s and was killed", STOP.as_secs());
        };
        let status = status.context("cannot wait for the server")?;
        if !status.success() {
            bail!("the server ended with {status}");
        }
        Ok(())
    }

    fn ask_to_stop(&mut self) {
        let pid = self.process.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let Some(pid) = pid {
            // Fails only when it is gone already, which is what we want.
            let _ = kill_process(pid, Signal::TERM);
        }
    }
}

/// Shows each line of the log on standard error, and hands it on.
fn show_log(stderr: impl AsyncRead + Send + Unpin + 'static) -> mpsc::UnboundedReceiver<String> {
    let (lines, log) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut stderr = BufReader::new(stderr).lines();
        while let Ok(Some(line)) = stderr.next_line().await {
            eprintln!("  server | {line}");
            // The screen gets the log also when nobody waits for a line of it.
            let _ = lines.send(line);
        }
    });
    log
}
