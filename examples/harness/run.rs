//! One example: its server, its client, and the end of both.

use std::{
    fmt,
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::Context as _;
use durable_examples::{flags::Revision, process::RunningServer};
use tempfile::TempDir;
use tokio::process::Command;

use crate::{
    interrupt::{Interrupt, Interrupts},
    programs::{Programs, client_of},
};

/// What all runs have in common.
#[derive(Debug)]
pub(crate) struct Setting {
    pub(crate) listen: String,
    pub(crate) directory: Option<PathBuf>,
    pub(crate) protocol: Revision,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    AsExpected,
    With(u8),
    Interrupted(Interrupt),
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AsExpected => f.write_str("as expected"),
            Self::With(status) => write!(f, "failed with {status}"),
            Self::Interrupted(_) => f.write_str("interrupted"),
        }
    }
}

/// The directory of one run: the one that was asked for, or a temporary one that goes with this value.
#[derive(Debug)]
pub(crate) enum Directory {
    Kept(PathBuf),
    Temporary(TempDir),
}

impl Directory {
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Kept(path) => path,
            Self::Temporary(directory) => directory.path(),
        }
    }
}

impl Setting {
    /// The protocol revision as the clients take it on their command line.
    pub(crate) fn protocol_name(&self) -> &'static str {
        match self.protocol {
            Revision::November2025 => "2025-11-25",
            Revision::July2026 => "2026-07-28",
        }
    }

    /// Makes the directory of one run.
    pub(crate) fn directory(&self) -> anyhow::Result<Directory> {
        if let Some(path) = &self.directory {
            std::fs::create_dir_all(path).with_context(|| format!("cannot create `{}`", path.display()))?;
            return Ok(Directory::Kept(path.clone()));
        }
        let directory = tempfile::Builder::new().prefix("durable-examples-").tempdir();
        directory.map(Directory::Temporary).context("cannot create a temporary directory")
    }
}

/// Runs an example's client against its server, and stops the server however that ends.
pub(crate) async fn example(
    name: &str,
    programs: &Programs,
    setting: &Setting,
    interrupts: &mut Interrupts,
) -> anyhow::Result<Ended> {
    let directory = setting.directory()?;
    let mut command = Command::new(programs.path(name)?);
    command.args(["--listen", &setting.listen, "--store"]).arg(directory.path().join(format!("{name}.redb")));
    let server = tokio::select! {
        server = RunningServer::start(&mut command) => server?,
        interrupt = interrupts.next() => return Ok(Ended::Interrupted(interrupt)),
    };
    println!("the server `{name}` listens on {}\n", server.url());
    let ended = tokio::select! {
        ended = run_client(programs.path(&client_of(name))?, server.url(), setting) => ended,
        interrupt = interrupts.next() => {
            println!("\ninterrupted");
            Ok(Ended::Interrupted(interrupt))
        }
    };
    let stopped = server.stop().await;
    println!("\nthe server `{name}` has stopped");
    let ended = ended?;
    stopped?;
    Ok(ended)
}

async fn run_client(program: &Path, url: &str, setting: &Setting) -> anyhow::Result<Ended> {
    let status = Command::new(program)
        .args([url, "--protocol", setting.protocol_name()])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .status()
        .await
        .with_context(|| format!("cannot run `{}`", program.display()))?;
    if status.success() {
        return Ok(Ended::AsExpected);
    }
    println!("\nthe client ended with {status}");
    Ok(Ended::With(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)))
}
