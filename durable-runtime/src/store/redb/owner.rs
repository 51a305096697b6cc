//! A note beside the store that says which process has it open, for the message that another process gives.
//!
//! The lock is redb's own, on the file; the note is only text. It is written by whoever has just got the lock, so what
//! it says while the lock is held is true, but for the moment in between.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

/// The note of this process.
pub(super) struct OwnerNote {
    path: PathBuf,
}

fn beside(store: &Path) -> PathBuf {
    let mut name = OsString::from(store);
    name.push(".owner");
    PathBuf::from(name)
}

impl OwnerNote {
    pub(super) fn write(store: &Path) -> Self {
        let path = beside(store);
        if let Err(error) = fs::write(&path, format!("{}\n", std::process::id())) {
            tracing::debug!(%error, path = %path.display(), "the note of the store's owner was not written");
        }
        Self { path }
    }

    /// The process that the note names.
    pub(super) fn read(store: &Path) -> Option<u32> {
        fs::read_to_string(beside(store)).ok()?.trim().parse().ok()
    }

    pub(super) fn remove(&self) {
        // A note that stays behind misleads nobody: it is read only while the lock is held.
        let _absent = fs::remove_file(&self.path);
    }
}
