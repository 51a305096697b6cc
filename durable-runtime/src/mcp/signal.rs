//! The signals by which a process is told to stop.

use std::io;

use crate::error::{Error, ErrorKind};

/// Ctrl-C and SIGTERM, from the moment that this is made. They do not end the process by themselves any more.
pub(super) struct StopSignal {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

impl StopSignal {
    #[cfg(unix)]
    pub(super) fn new() -> Result<Self, Error> {
        use tokio::signal::unix::{SignalKind, signal};
        let on = |kind| signal(kind).map_err(|error: io::Error| failed(error));
        Ok(Self { interrupt: on(SignalKind::interrupt())?, terminate: on(SignalKind::terminate())? })
    }

    #[cfg(not(unix))]
    pub(super) fn new() -> Result<Self, Error> {
        Ok(Self {})
    }

    /// Ends when one of them comes, also if it has come already.
    #[cfg(unix)]
    pub(super) async fn received(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }

    #[cfg(not(unix))]
    pub(super) async fn received(&mut self) {
        let _ended: io::Result<()> = tokio::signal::ctrl_c().await;
    }
}

pub(super) fn failed(error: io::Error) -> Error {
    Error::new(ErrorKind::AskPerson, "serving_failed", format!("the server cannot go on: {error}")).with_source(error)
}
