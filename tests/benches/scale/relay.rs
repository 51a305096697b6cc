//! A store that several processes of this program open, one after the other.

use std::fmt::Display;
use std::future::{Ready, ready};
use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::child::Process;

/// Where the store is.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Place {
    /// Directory of the store's file; it should be on a disk
    #[arg(long, default_value = env!("CARGO_TARGET_TMPDIR"))]
    directory: PathBuf,
}

impl Place {
    pub(crate) fn small() -> Self {
        Self { directory: PathBuf::from(env!("CARGO_TARGET_TMPDIR")) }
    }
}

/// The store, and what every process is told.
pub(crate) struct Relay {
    _directory: TempDir,
    store: PathBuf,
    arguments: Vec<String>,
}

impl Relay {
    pub(crate) fn new(place: &Place, arguments: &[(&str, &dyn Display)]) -> io::Result<Self> {
        let directory = tempfile::tempdir_in(&place.directory)?;
        let store = directory.path().join("store.redb");
        let path = ["--store".to_owned(), store.display().to_string()];
        let others = arguments.iter().flat_map(|(name, value)| [(*name).to_owned(), value.to_string()]);
        let arguments = path.into_iter().chain(others).collect();
        Ok(Self { _directory: directory, store, arguments })
    }

    /// Starts a process that does this.
    pub(crate) fn start(&self, what: &str, more: &[&str]) -> io::Result<Process> {
        let more = more.iter().map(|argument| (*argument).to_owned());
        let arguments: Vec<String> = [what.to_owned()].into_iter().chain(self.arguments.clone()).chain(more).collect();
        Process::start(&arguments)
    }

    pub(crate) fn store(&self) -> &Path {
        &self.store
    }
}

/// The work of a step that costs nothing.
pub(crate) fn greet(name: &str) -> Ready<String> {
    ready(format!("hello, {name}"))
}
