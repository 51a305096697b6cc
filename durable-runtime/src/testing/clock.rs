//! The clock of a test.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use tokio::time::Instant;

use crate::clock::{Clock, Timestamp};

/// When every run of a test begins: 2026-01-01T00:00:00Z.
const BEGIN: Timestamp = Timestamp::from_millis(1_767_225_600_000);

/// The clock of one run of a test, for the server, the tools and the test itself.
///
/// It is tokio's own under [`tokio::time::pause`], so whatever sleeps with [`tokio::time`] sleeps by it too. It stands still
/// while anything can go on, and when everything waits it jumps to the end of the first wait: a step that is tried again in
/// an hour takes no time.
///
/// Clones are the same clock.
#[derive(Clone, Debug)]
pub struct TestClock {
    began: Instant,
}

impl TestClock {
    pub(super) fn start() -> Self {
        Self { began: Instant::now() }
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        BEGIN.after(self.began.elapsed())
    }

    /// Lets this much time pass. What is due meanwhile happens, each at its time.
    pub async fn advance(&self, by: Duration) {
        tokio::time::sleep(by).await;
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Self::now(self)
    }

    fn sleep_until(&self, deadline: Timestamp) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(tokio::time::sleep(self.now().until(deadline)))
    }
}
