//! Interventions: what a person does with an invocation that does not go on by itself. Each is one guarded commit, so that of
//! two at once, and of one and a running body, the first to be durable wins.

use std::sync::Arc;

use serde_json::{Value, json};

use super::Engine;
use super::admission::decoded;
use super::answer::{Answer, AnswerSource, Submitted};
use super::interruption::Interruption;
use super::invocation::{Halt, journal_key};
use super::stored::Loaded;
use crate::error::{Error, ErrorKind};
use crate::id::InvocationId;
use crate::journal::codec;
use crate::journal::identity::Identity;
use crate::journal::record::{Conclusion, Ended, Outcome, Record, Unfinished};
use crate::journal::replay::{self, History};
use crate::store::{Batch, Keyspace};

/// An invocation that nothing else takes up meanwhile.
pub(super) struct Held<'a> {
    engine: &'a Arc<Engine>,
    id: InvocationId,
    goes_on: bool,
}

impl Held<'_> {
    /// Lets it run.
    fn go_on(mut self) {
        self.goes_on = true;
        self.engine.execute(self.id, None);
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if !self.goes_on {
            let answer = Answer::Deferred("a person has just looked at it".into());
            if self.engine.directory.leave(self.id, answer) {
                self.engine.timers.set(self.engine.surroundings.clock.now(), self.id);
            }
        }
    }
}

/// A parked invocation, as the store has it.
pub(super) struct Parked {
    pub(super) row: Vec<u8>,
    pub(super) code: String,
    pub(super) reason: String,
}

impl Engine {
    pub(super) fn hold(self: &Arc<Self>, id: InvocationId) -> Result<Held<'_>, Error> {
        if self.stopping.is_said() {
            let message = "the server is stopping; do it again when it runs";
            return Err(Error::new(ErrorKind::Retry, "server_stopping", message));
        }
        match self.directory.enter(id) {
            Some(_coming) => Ok(Held { engine: self, id, goes_on: false }),
            None => Err(running(id)),
        }
    }

    /// The row of a parked invocation that is held.
    pub(super) async fn parked(&self, id: InvocationId) -> Result<Parked, Error> {
        let key = id.as_bytes().to_vec();
        let Some(row) = self.surroundings.store.get(Keyspace::Unfinished, key.clone()).await? else {
            return Err(match self.surroundings.store.get(Keyspace::Result, key).await? {
                Some(_) => ended(id),
                None => unknown(id),
            });
        };
        match decoded(&row)? {
            Unfinished::Parked { code, reason, .. } => return Ok(Parked { row, code, reason }),
            Unfinished::Suspended { .. } => return Err(not_parked(id)),
            Unfinished::Running { .. } | Unfinished::Unclean { .. } | Unfinished::Suspect { .. } => {}
        }
        // What does not fit this build is not parked for ever, and so its row does not say it.
        match self.load(id).await? {
            Loaded::Answer(Answer::Parked { code, reason }) => Ok(Parked { row, code, reason }),
            _ => Err(not_parked(id)),
        }
    }

    /// Lets a parked invocation run again.
    pub(crate) async fn retry(self: &Arc<Self>, id: InvocationId) -> Result<(), Error> {
        let held = self.hold(id)?;
        let Parked { row, code, reason } = self.parked(id).await?;
        if !matches!(decoded(&row)?, Unfinished::Parked { .. }) {
            // It has just been looked at anew.
            return Answer::Parked { code, reason }.into_ended(id).map(drop);
        }
        let retried = Record::Retried { code, reason, at: self.surroundings.clock.now().as_millis() };
        self.let_go_on(held, row, retried).await
    }

    /// Gives a step of a parked invocation its outcome, and lets it run again.
    pub(crate) async fn resolve(self: &Arc<Self>, id: InvocationId, step: &str, given: Outcome) -> Result<(), Error> {
        let held = self.hold(id)?;
        let Parked { row, code, reason } = self.parked(id).await?;
        let (mut records, rows) = self.journal(id).await?;
        let history = read(id, records.clone())?;
        let identity = step_of(&history, id, step)?;
        // What the body has seen, it has seen; what it could not read, it has not.
        let is_unread = code == "outcome_not_decodable" && reason.contains(&format!("`{identity}`"));
        if history.outcome(&identity).is_some() && !is_unread {
            return Err(Error::new(
                ErrorKind::FixCall,
                "step_has_outcome",
                format!(
                    "the step `{identity}` of invocation {id} has an outcome, which its call has gone on with; fork the \
                     invocation from this step to let it have another one"
                ),
            ));
        }
        self.check_outcome(&identity, &given)?;
        let at = self.surroundings.clock.now().as_millis();
        let kind = history.kind(&identity).expect("a step of a history has a kind");
        let resolved = Record::Resolved { step: identity.clone(), kind, outcome: given, at };
        records.push(resolved.clone());
        self.check_readable(id, &identity, read(id, records)?, rows)?;
        self.let_go_on(held, row, resolved).await
    }

    async fn let_go_on(&self, held: Held<'_>, row: Vec<u8>, record: Record) -> Result<(), Error> {
        let key = held.id.as_bytes().to_vec();
        let running = Unfinished::Running { unclean_ends: 0, rows_then: 0, wake_at: None };
        let next_row = self.journal_rows(held.id).await?;
        let mut batch = Batch::default();
        batch.guard(Keyspace::Unfinished, key.clone(), Some(row));
        batch.put(Keyspace::Unfinished, key, codec::encode(&running));
        batch.put(Keyspace::Journal, journal_key(held.id, next_row), codec::encode(&vec![record]));
        let committed = self.commit(batch).await;
        if committed.as_ref().is_err_and(|error| error.code() == "store_shared") {
            return committed;
        }
        // A commit that seems to have failed may be durable, and nobody else would run it then. What is still parked says so.
        tracing::info!(invocation = %held.id, "a person lets an invocation go on");
        held.go_on();
        committed
    }

    /// Refuses an outcome that is too large.
    pub(super) fn check_outcome(&self, step: &Identity, outcome: &Outcome) -> Result<(), Error> {
        let (Outcome::Value(json) | Outcome::Error(json) | Outcome::InDoubt(json)) = outcome;
        let limit = self.surroundings.limits.outcome_bytes;
        if json.len() <= limit {
            return Ok(());
        }
        let message =
            format!("the outcome for the step `{step}` has {} bytes as JSON, and {limit} is the most", json.len());
        Err(Error::new(ErrorKind::FixCall, "outcome_invalid", message))
    }

    /// Refuses an outcome that the body cannot read, as far as a replay comes to it.
    pub(super) fn check_readable(
        &self,
        id: InvocationId,
        step: &Identity,
        history: History,
        rows: u32,
    ) -> Result<(), Error> {
        // A tool that this build does not have will read it, or not, when there is one.
        let Ok(body) = self.fitting(history.admission()) else { return Ok(()) };
        let halted = self.rehearse(id, history, rows, body).invocation.halted();
        match halted {
            Some(Halt::Park { code, reason })
                if code == "outcome_not_decodable" && reason.contains(&format!("`{step}`")) =>
            {
                Err(Error::new(ErrorKind::FixCall, "outcome_invalid", reason))
            }
            _ => Ok(()),
        }
    }

    /// Cancels an invocation, and gives how it then ended.
    pub(crate) async fn cancel(self: &Arc<Self>, id: InvocationId, reason: String) -> Result<Submitted, Error> {
        self.interrupt(id, Interruption::Cancelled { reason }).await?.ok_or_else(|| unknown(id))
    }

    /// Ends an invocation with a value or the text of an error, wherever its body is.
    pub(crate) async fn complete(
        self: &Arc<Self>,
        id: InvocationId,
        completion: Result<Value, String>,
    ) -> Result<(), Error> {
        let admission = match self.look(id).await? {
            super::Look::Missing => return Err(unknown(id)),
            super::Look::Ended(found) => return self.check_completed(id, &found, &completion),
            super::Look::Running(admission) | super::Look::Parked { admission, .. } => admission,
        };
        let conclusion = self.conclusion(&admission.tool, &completion)?;
        let interruption = Interruption::Completed { conclusion };
        let submitted = self.interrupt(id, interruption).await?.ok_or_else(|| unknown(id))?;
        let answer = match submitted.source {
            AnswerSource::Known(answer) => answer,
            coming @ AnswerSource::Coming(_) => Submitted { id, source: coming }.answer().await,
        };
        let found = answer.into_ended(id)?;
        self.check_completed(id, &found, &completion)
    }

    fn check_completed(&self, id: InvocationId, found: &Ended, wanted: &Result<Value, String>) -> Result<(), Error> {
        let is_wanted = self.conclusion(&found.tool, wanted).is_ok_and(|wanted| wanted == found.conclusion);
        if is_wanted { Ok(()) } else { Err(ended(id)) }
    }

    /// What an invocation ends with that a person ends so, if its tool could have given it.
    fn conclusion(&self, tool: &str, completion: &Result<Value, String>) -> Result<Conclusion, Error> {
        let value = match completion {
            Ok(value) => value,
            Err(message) => {
                let error = json!({ "message": message }).to_string();
                return Ok(Conclusion::Failed { message: message.clone(), error });
            }
        };
        let invalid = |why: String| {
            Err(Error::new(ErrorKind::FixCall, "result_invalid", format!("the value is none of `{tool}`: {why}")))
        };
        let json = value.to_string();
        let limit = self.surroundings.limits.outcome_bytes;
        if json.len() > limit {
            return invalid(format!("it has {} bytes as JSON, and {limit} is the most", json.len()));
        }
        // What a tool gives that this build does not have is not known.
        let Some(registered) = self.tools.get(tool) else { return Ok(Conclusion::Succeeded { value: json }) };
        if registered.definition.presents {
            let is_block = |block: &Value| block.get("type").is_some_and(Value::is_string);
            return match value {
                Value::Array(blocks) if blocks.iter().all(is_block) => Ok(Conclusion::Presented { content: json }),
                _ => invalid("give a list of blocks of content, as the protocol has them".into()),
            };
        }
        let validator = jsonschema::validator_for(&registered.definition.output_schema);
        match validator.map(|validator| validator.validate(value).map_err(|mistake| mistake.to_string())) {
            Ok(Err(mistake)) => invalid(mistake),
            // A schema that is none holds nothing up.
            Ok(Ok(())) | Err(_) => Ok(Conclusion::Succeeded { value: json }),
        }
    }
}

/// The history in a journal.
pub(super) fn read(id: InvocationId, records: Vec<Record>) -> Result<History, Error> {
    replay::replay(records).map_err(|contradiction| {
        Error::new(ErrorKind::AskPerson, "journal_damaged", format!("invocation {id}: {contradiction}"))
    })
}

/// The step of this name, as the journal shows it.
pub(super) fn step_of(history: &History, id: InvocationId, step: &str) -> Result<Identity, Error> {
    let mut known: Vec<String> = history.steps().map(|step| format!("`{step}`")).collect();
    known.sort_unstable();
    history.steps().find(|known| known.to_string() == step).cloned().ok_or_else(|| {
        let message = if known.is_empty() {
            format!("the journal of invocation {id} has no steps yet")
        } else {
            format!("the journal of invocation {id} has no step `{step}`; it has {}", known.join(", "))
        };
        Error::new(ErrorKind::FixCall, "step_unknown", message)
    })
}

pub(crate) fn unknown(id: InvocationId) -> Error {
    Error::new(ErrorKind::FixCall, "invocation_unknown", format!("the store has no invocation {id}"))
}

fn not_parked(id: InvocationId) -> Error {
    let message = format!("invocation {id} is not parked: it goes on by itself, or waits");
    Error::new(ErrorKind::FixCall, "invocation_not_parked", message)
}

pub(super) fn running(id: InvocationId) -> Error {
    Error::new(
        ErrorKind::Retry,
        "invocation_running",
        format!("invocation {id} runs just now; wait for its end, or cancel it first"),
    )
}

fn ended(id: InvocationId) -> Error {
    Error::new(
        ErrorKind::FixCall,
        "invocation_ended",
        format!("invocation {id} has ended before, and what it ended with stays; fork it to let it have another end"),
    )
}
