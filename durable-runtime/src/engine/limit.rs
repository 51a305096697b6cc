//! What one invocation, and all of them together, may use.

use std::time::Duration;

use crate::error::{Error, ErrorKind};

/// The limits of a server, each with its default.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The arguments of one call as JSON, in bytes (1 MiB). A larger call is refused.
    pub argument_bytes: usize,
    /// One outcome or result as JSON, in bytes (4 MiB). A larger one parks its invocation, for its effect has happened.
    pub outcome_bytes: usize,
    /// The journal of one invocation, in bytes (64 MiB). One that has more is parked at the step that would be next.
    pub journal_bytes: usize,
    /// Steps and operations of one run of a body (10 000). An invocation that comes to more is parked.
    pub steps: usize,
    /// Invocations in memory at once (10 000). Further calls are refused with `busy`, and may come again. Of those that go on by
    /// themselves, after a start or because a wait is over, at most half as many have bodies in memory, so that there is room for
    /// new calls; the next one waits until one of them leaves memory, 10 s at most.
    pub running: usize,
    /// Panics and process deaths in a row, with nothing new in the journal, after which an invocation is parked (10).
    pub unclean_ends: u32,
    /// How long a wait is for which an invocation is taken out of memory (10 s). It is run again when the wait ends.
    pub evict_after: Duration,
    /// Within which time of its admission a call must end, unless its tool has a `timeout` of its own (none).
    pub timeout: Option<Duration>,
    /// How long an answer to a question is waited for, unless the question says otherwise (24 h).
    pub question_expiry: Duration,
    /// How long after the end of a call its idempotency key is known (24 h). Then the key is one for a new call.
    pub key_retention: Duration,
    /// How long after the end of a call its journal is kept (24 h): for [`validate`](crate::Server::validate), and for people
    /// who ask what it did. Its result is kept apart from that.
    pub journal_retention: Duration,
    /// Of how many ended calls the journals are kept at most (100 000), the latest.
    pub journals: usize,
    /// How long after the end of a call its result is kept (24 h), or longer, for as long as its idempotency key, its task or
    /// its session may ask for it.
    pub result_retention: Duration,
    /// How long a call with an idempotency key whose client has gone waits for that one to come back (24 h). Then it is
    /// cancelled.
    pub suspension: Duration,
    /// How long running attempts of a call may go on when its time is over (10 s). What still runs then is dropped, as in a
    /// crash.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            argument_bytes: 1 << 20,
            outcome_bytes: 4 << 20,
            journal_bytes: 64 << 20,
            steps: 10_000,
            running: 10_000,
            unclean_ends: 10,
            evict_after: Duration::from_secs(10),
            timeout: None,
            question_expiry: Duration::from_secs(24 * 60 * 60),
            key_retention: Duration::from_secs(24 * 60 * 60),
            journal_retention: Duration::from_secs(24 * 60 * 60),
            journals: 100_000,
            result_retention: Duration::from_secs(24 * 60 * 60),
            suspension: Duration::from_secs(24 * 60 * 60),
            grace: Duration::from_secs(10),
        }
    }
}

impl Limits {
    /// Limits under which results are kept as long as anything may ask for them: keys, or what is kept for this long.
    pub(crate) fn keeping_results_for(self, asked_for: Duration) -> Self {
        Self { result_retention: self.result_retention.max(self.key_retention).max(asked_for), ..self }
    }

    pub(super) fn check_arguments(&self, tool: &str, bytes: usize) -> Result<(), Error> {
        if bytes <= self.argument_bytes {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::FixCall,
            "arguments_too_large",
            format!(
                "the arguments of `{tool}` have {bytes} bytes, and {} is the most; pass a reference to the data instead",
                self.argument_bytes
            ),
        ))
    }
}
