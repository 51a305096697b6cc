//! The word to stop, said once to all who work.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};

/// Every run looks at it whenever it is polled, so that looking takes no lock.
#[derive(Default)]
pub(super) struct Stop {
    is_said: AtomicBool,
    token: CancellationToken,
}

impl Stop {
    pub(super) fn say(&self) {
        self.is_said.store(true, Ordering::Release);
        self.token.cancel();
    }

    pub(super) fn is_said(&self) -> bool {
        self.is_said.load(Ordering::Acquire)
    }

    /// Ends when it is said.
    pub(super) fn said(&self) -> WaitForCancellationFuture<'_> {
        self.token.cancelled()
    }

    /// Who outlives the engine waits with this.
    pub(super) fn token(&self) -> CancellationToken {
        self.token.clone()
    }
}
