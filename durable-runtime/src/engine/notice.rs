//! What clients are told beside the result: passed on to who listens, best effort.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use super::conversation::Conversation;
use crate::notice::LogLevel;

/// How many notices wait for a client that is slow to take them; the oldest are given up first.
const KEPT: usize = 256;

/// Something that a client is told beside the result.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Notice {
    /// How far the call is.
    Progress { progress: f64, total: Option<f64>, message: Option<String> },
    /// The connection that the call is answered on is to be ended; its client comes back.
    CloseStream,
    /// A message of the tool.
    Log { level: LogLevel, data: Value },
}

/// The last notices of an invocation. Most have none, so that they cost nothing.
#[derive(Default)]
pub(super) struct Notices {
    latest: VecDeque<Notice>,
    /// How many were given up, or heard by all.
    before: u64,
    listeners: usize,
}

impl Notices {
    /// Keeps a notice for those who listen; says whether anybody does.
    pub(super) fn push(&mut self, notice: Notice) -> bool {
        if self.listeners == 0 {
            return false;
        }
        if self.latest.len() == KEPT {
            self.latest.pop_front();
            self.before += 1;
        }
        self.latest.push_back(notice);
        true
    }

    pub(super) fn add_listener(&mut self) -> u64 {
        self.listeners += 1;
        self.before + self.latest.len() as u64
    }

    fn remove_listener(&mut self) {
        self.listeners -= 1;
        if self.listeners == 0 {
            self.before += self.latest.len() as u64;
            self.latest.clear();
        }
    }

    /// The first notice of this number or, if it was given up, after it, and the number of the next one.
    fn from(&self, number: u64) -> Option<(Notice, u64)> {
        let number = number.max(self.before);
        let index = usize::try_from(number - self.before).ok()?;
        Some((self.latest.get(index)?.clone(), number + 1))
    }
}

/// Who hears all that is told since it was made. That there is something new is a change of the conversation.
pub(crate) struct Listener {
    conversation: Arc<Conversation>,
    next: u64,
}

impl Listener {
    pub(super) fn new(conversation: Arc<Conversation>) -> Self {
        let next = conversation.with_notices(Notices::add_listener);
        Self { conversation, next }
    }

    /// The next notice, if there is one.
    pub(crate) fn next(&mut self) -> Option<Notice> {
        let (notice, next) = self.conversation.with_notices(|notices| notices.from(self.next))?;
        self.next = next;
        Some(notice)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.conversation.with_notices(Notices::remove_listener);
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener").field("next", &self.next).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(progress: u32) -> Notice {
        Notice::Progress { progress: progress.into(), total: None, message: None }
    }

    fn heard(listener: &mut Listener) -> Vec<Notice> {
        std::iter::from_fn(|| listener.next()).collect()
    }

    #[test]
    fn each_listener_hears_what_is_told_since_it_listens_once_and_in_order() {
        let conversation = Arc::new(Conversation::default());
        conversation.tell(progress(1));
        let mut first = Listener::new(Arc::clone(&conversation));
        conversation.tell(progress(2));
        let mut second = Listener::new(Arc::clone(&conversation));
        conversation.tell(progress(3));
        assert_eq!(heard(&mut first), [progress(2), progress(3)]);
        assert_eq!(heard(&mut second), [progress(3)]);
        assert_eq!((heard(&mut first), heard(&mut second)), (vec![], vec![]));
        drop((first, second));
        conversation.tell(progress(4));
        let mut third = Listener::new(Arc::clone(&conversation));
        conversation.tell(progress(5));
        assert_eq!(heard(&mut third), [progress(5)]);
    }

    #[test]
    fn a_listener_that_is_slow_misses_the_oldest() {
        let conversation = Arc::new(Conversation::default());
        let mut listener = Listener::new(Arc::clone(&conversation));
        for number in 0..300 {
            conversation.tell(progress(number));
        }
        let heard = heard(&mut listener);
        assert_eq!((heard.len(), heard.first()), (KEPT, Some(&progress(44))));
    }
}
