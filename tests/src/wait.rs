//! Waiting for what happens in another process.

use std::time::{Duration, Instant};

/// How long anything that a test waits for may take. It is much longer than anything takes.
pub const PATIENCE: Duration = Duration::from_secs(30);

const LOOK: Duration = Duration::from_millis(3);

/// Looks again and again until there is something.
///
/// # Panics
///
/// When there is nothing for half a minute; `what` says what is missing.
pub async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "{what} has not come for {PATIENCE:?}");
        tokio::time::sleep(LOOK).await;
    }
}

/// Waits for an answer.
///
/// # Panics
///
/// When none comes for half a minute; `what` says what is missing.
pub async fn answered<T>(what: &str, answer: impl Future<Output = T>) -> T {
    let answer = tokio::time::timeout(PATIENCE, answer).await;
    answer.unwrap_or_else(|_| panic!("{what} has not come for {PATIENCE:?}"))
}
