//! Answers to the questions of an invocation, in memory or not.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Engine;
use super::answer::AnswerSource;
use super::conversation::{Question, Questions, Verdict, is_same};
use crate::error::{Error, ErrorKind};
use crate::id::InvocationId;
use crate::journal::codec;
use crate::journal::record::Reply;
use crate::journal::replay::{self, History};

impl Engine {
    /// Answers questions of an invocation, and says what became of each answer. An answer that is recorded is durable, and
    /// stays the one: the same again is recorded too, another one is a conflict.
    pub(crate) async fn answer(
        self: &Arc<Self>,
        id: InvocationId,
        replies: BTreeMap<String, Reply>,
    ) -> Result<BTreeMap<String, Verdict>, Error> {
        loop {
            if self.stopping.is_said() {
                return Err(Error::new(
                    ErrorKind::Retry,
                    "server_stopping",
                    "the server is stopping; give the answer again in a moment",
                ));
            }
            let Some(submitted) = self.follow(id).await? else {
                return Ok(replies.into_keys().map(|key| (key, Verdict::Unknown)).collect());
            };
            let coming = match submitted.source {
                AnswerSource::Known(answer) => {
                    answer.into_ended(id)?;
                    return self.compare(id, replies).await;
                }
                AnswerSource::Coming(coming) => coming,
            };
            if let Some(verdicts) = coming.conversation.answer(&replies).await {
                return Ok(verdicts);
            }
            // It has left memory meanwhile, and may have ended.
        }
    }

    /// What has become of answers to an invocation that has ended.
    async fn compare(
        &self,
        id: InvocationId,
        replies: BTreeMap<String, Reply>,
    ) -> Result<BTreeMap<String, Verdict>, Error> {
        let history = self.history(id).await?;
        let settled: BTreeMap<String, Reply> = history
            .answered_questions()
            .filter_map(|(question, answer)| Some((question.as_question_key(), codec::decode(answer).ok()?)))
            .collect();
        Ok(replies
            .into_iter()
            .map(|(key, reply)| {
                let verdict = match settled.get(&key) {
                    None => Verdict::Unknown,
                    Some(settled) if is_same(settled, &reply) => Verdict::Recorded,
                    Some(_) => Verdict::Conflict,
                };
                (key, verdict)
            })
            .collect())
    }

    /// The open questions of an invocation, and what it is about just now.
    pub(crate) async fn open_questions(&self, id: InvocationId) -> Result<(Questions, Option<String>), Error> {
        if let Some(coming) = self.directory.coming(id) {
            return Ok((coming.conversation.open(), coming.conversation.status()));
        }
        let history = self.history(id).await?;
        let open = history.open_questions().map(|(question, asked)| {
            let question_asked = Question { request: asked.request.clone(), expires_at: asked.expires_at };
            (question.as_question_key(), Arc::new(question_asked))
        });
        Ok((open.collect(), None))
    }

    async fn history(&self, id: InvocationId) -> Result<History, Error> {
        let (records, _) = self.journal(id).await?;
        replay::replay(records).map_err(|contradiction| {
            Error::new(ErrorKind::AskPerson, "journal_damaged", format!("invocation {id}: {contradiction}"))
        })
    }
}
