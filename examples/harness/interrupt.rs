//! Ctrl-C and SIGTERM, for as long as the harness runs.

use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What asked the harness to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Interrupt {
    /// A person at the keyboard: stops what runs; at the menu, leaves.
    CtrlC,
    /// Whoever started the harness: leaves.
    Terminate,
}

impl Interrupt {
    /// Gives the exit code that a shell reports for a program that this signal ended.
    pub(crate) fn exit_code(self) -> u8 {
        match self {
            Self::CtrlC => 130,
            Self::Terminate => 143,
        }
    }
}

/// Listens from the start to the end, so that no interrupt falls between two waits.
#[derive(Debug)]
pub(crate) struct Interrupts {
    ctrl_c: Signal,
    terminate: Signal,
}

impl Interrupts {
    /// Begins to listen; from here on neither signal ends the process by itself.
    pub(crate) fn listen() -> anyhow::Result<Self> {
        Ok(Self {
            ctrl_c: signal(SignalKind::interrupt()).context("cannot listen for Ctrl-C")?,
            terminate: signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?,
        })
    }

    /// Waits for the next one.
    pub(crate) async fn next(&mut self) -> Interrupt {
        tokio::select! {
            _ = self.ctrl_c.recv() => Interrupt::CtrlC,
            _ = self.terminate.recv() => Interrupt::Terminate,
        }
    }
}
