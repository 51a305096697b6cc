//! What those who wait for an invocation are told.

use std::sync::Arc;

use tokio::sync::watch;

use super::conversation::Conversation;
use super::notice::Listener;
use crate::error::{Error, ErrorKind};
use crate::id::InvocationId;
use crate::journal::record::Ended;

/// What became of an invocation, as far as it is known.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// It ended, durably.
    Ended(Arc<Ended>),
    /// It needs a person.
    Parked { code: String, reason: String },
    /// It is kept and will go on, but not now.
    Deferred(String),
    /// Whether it was admitted is not known.
    NotAdmitted(String),
}

/// A call that was admitted, or that belongs to an invocation that was admitted before.
#[derive(Debug)]
pub(crate) struct Submitted {
    pub(crate) id: InvocationId,
    pub(crate) source: AnswerSource,
}

/// Where the answer comes from.
#[derive(Debug)]
pub(crate) enum AnswerSource {
    /// It is there.
    Known(Answer),
    /// It comes when the invocation has one.
    Coming(Coming),
}

/// What is told of an invocation in memory.
#[derive(Debug)]
pub(crate) struct Coming {
    pub(super) answer: watch::Receiver<Option<Answer>>,
    pub(super) admitted: watch::Receiver<bool>,
    pub(super) conversation: Arc<Conversation>,
    pub(super) notices: Option<Listener>,
}

impl Submitted {
    /// Whether the invocation had ended before this call.
    pub(crate) fn is_replayed(&self) -> bool {
        matches!(self.source, AnswerSource::Known(Answer::Ended(_)))
    }

    /// Waits until the admission is durable: `false` when there is an answer before, which says that it may not be.
    pub(crate) async fn admitted(&mut self) -> bool {
        match &mut self.source {
            AnswerSource::Known(_) => true,
            AnswerSource::Coming(coming) => tokio::select! {
                biased;
                admitted = coming.admitted.wait_for(|admitted| *admitted) => admitted.is_ok(),
                _ = coming.answer.wait_for(Option::is_some) => false,
            },
        }
    }

    /// What the invocation and its clients say to each other, while it is in memory, with all that is told since the call was
    /// submitted. To be taken once.
    pub(crate) fn conversation(&mut self) -> Option<(Arc<Conversation>, Listener)> {
        match &mut self.source {
            AnswerSource::Known(_) => None,
            AnswerSource::Coming(coming) => Some((Arc::clone(&coming.conversation), coming.notices.take()?)),
        }
    }

    /// Waits until there is an answer.
    pub(crate) async fn ended(&mut self) {
        if let AnswerSource::Coming(coming) = &mut self.source {
            // An engine that went away is an answer too.
            let _answered = coming.answer.wait_for(Option::is_some).await;
        }
    }

    /// Waits for the answer.
    pub(crate) async fn answer(self) -> Answer {
        match self.source {
            AnswerSource::Known(answer) => answer,
            AnswerSource::Coming(mut coming) => {
                let answer = coming.answer.wait_for(Option::is_some).await;
                match answer.as_deref() {
                    Ok(Some(answer)) => answer.clone(),
                    // The engine went away with the sender.
                    Ok(None) | Err(_) => Answer::Deferred("the server is stopping".into()),
                }
            }
        }
    }
}

impl Answer {
    /// The error that stands for an answer without a result.
    pub(crate) fn into_ended(self, id: InvocationId) -> Result<Arc<Ended>, Error> {
        match self {
            Self::Ended(ended) => Ok(ended),
            Self::Parked { code, reason } => Err(Error::new(
                ErrorKind::AskPerson,
                "invocation_parked",
                format!("invocation {id} needs a person ({code}): {reason}"),
            )),
            Self::Deferred(why) => Err(Error::new(
                ErrorKind::Retry,
                "invocation_deferred",
                format!(
                    "invocation {id} is kept and will go on, but its result cannot be waited for now: {why}; make the call \
                     again with its idempotency key to get the result"
                ),
            )),
            Self::NotAdmitted(why) => Err(Error::new(
                ErrorKind::Retry,
                "admission_uncertain",
                format!(
                    "the store failed while invocation {id} was being admitted, so it may or may not be kept: {why}; make the \
                     call again with the same idempotency key"
                ),
            )),
        }
    }
}
