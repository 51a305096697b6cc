//! Tasks of the revision 2026-07-28: calls whose result the client fetches.
//!
//! A task is an invocation, and its id is made of the invocation's: so it resolves as soon as the invocation is durable, also
//! after a restart, and a call made again under its key is the same task.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use rmcp::model::{
    ClientCapabilities, CreateTaskResult, DetailedTask, GetTaskResult, JsonObject, Task, TaskPayload, TaskStatus,
};
use serde_json::Value;
use uuid::Uuid;

use super::error::protocol_error;
use super::secret::Secret;
use super::{question, result};
use crate::clock::Timestamp;
use crate::engine::{Engine, Interruption, Look, Verdict};
use crate::error::{Error, ErrorKind};
use crate::id::InvocationId;
use crate::journal::record::{Conclusion, Ended, Reply};

const PURPOSE: &str = "task";
/// How often a client should ask.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// The tasks of a server.
pub(super) struct Tasks {
    secret: Secret,
    /// How long a task is kept after its end.
    time_to_live: Duration,
}

impl Tasks {
    pub(super) fn new(secret: Secret, time_to_live: Duration) -> Self {
        Self { secret, time_to_live }
    }

    /// The id of an invocation as a task: the invocation's id, and a tag that nobody else can make.
    fn id(&self, invocation: InvocationId, principal: &str) -> String {
        let mut id = invocation.as_uuid().simple().to_string();
        for byte in self.secret.tag(PURPOSE, &[invocation.as_bytes(), principal.as_bytes()]) {
            write!(id, "{byte:02x}").expect("a String takes everything");
        }
        id
    }

    /// The invocation of a task of this caller.
    fn invocation(&self, id: &str, principal: &str) -> Option<InvocationId> {
        let (invocation, tag) = id.split_at_checked(32)?;
        let invocation = Uuid::try_parse(invocation).ok()?;
        let tag = Uuid::try_parse(tag).ok().filter(|_| tag.len() == 32)?;
        let parts = [invocation.as_bytes().as_slice(), principal.as_bytes()];
        self.secret.made(tag.as_bytes(), PURPOSE, &parts).then(|| InvocationId::from_bytes(*invocation.as_bytes()))
    }

    /// What a call is answered with that goes on as a task. Its invocation is durable.
    pub(super) fn created(&self, invocation: InvocationId, principal: &str) -> CreateTaskResult {
        let at = invocation.admitted_at().as_millis();
        CreateTaskResult::new(self.task(self.id(invocation, principal), TaskStatus::Working, at, at, None))
    }

    /// The state of a task.
    pub(super) async fn get(
        &self,
        engine: &Arc<Engine>,
        id: &str,
        principal: &str,
        client: Option<&ClientCapabilities>,
    ) -> Result<GetTaskResult, Error> {
        let invocation = self.invocation(id, principal).ok_or_else(|| unknown(id))?;
        let detailed = match engine.look(invocation).await? {
            Look::Missing => return Err(unknown(id)),
            Look::Running(admission) => {
                let mut task = self.task(id.to_owned(), TaskStatus::Working, admission.at, admission.at, None);
                let (open, status) = engine.open_questions(invocation).await?;
                task.status_message = status;
                let input_requests = question::requests(&open, client, engine, invocation);
                let is_asking = !input_requests.is_empty();
                let asking = TaskPayload::InputRequired { input_requests };
                DetailedTask::new(task, if is_asking { asking } else { TaskPayload::Working })
            }
            Look::Parked { admission, code, reason, at } => {
                let task = self.task(id.to_owned(), TaskStatus::Working, admission.at, at, None);
                let why = format!("needs a person ({code}): {reason}");
                DetailedTask::new(task.with_status_message(why), TaskPayload::Working)
            }
            Look::Ended(ended) => {
                let end = Timestamp::from_millis(ended.at);
                if end.after(self.time_to_live) <= engine.surroundings().clock.now() {
                    return Err(unknown(id));
                }
                let task = self.task(id.to_owned(), TaskStatus::Working, ended.admitted_at, ended.at, Some(end));
                ended_task(task, invocation, &ended)
            }
        };
        Ok(GetTaskResult::new(detailed))
    }

    /// Takes answers to a task's questions. Those to what it does not ask are passed over.
    pub(super) async fn answer(
        &self,
        engine: &Arc<Engine>,
        id: &str,
        principal: &str,
        answers: BTreeMap<String, Reply>,
    ) -> Result<(), Error> {
        let invocation = self.invocation(id, principal).ok_or_else(|| unknown(id))?;
        let verdicts = engine.answer(invocation, answers).await?;
        question::check(&verdicts)?;
        let rejected: Vec<String> = verdicts
            .into_iter()
            .filter_map(|(key, verdict)| match verdict {
                Verdict::Rejected(why) => Some(format!("`{key}`: {why}")),
                _ => None,
            })
            .collect();
        if rejected.is_empty() {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::FixCall,
            "answer_invalid",
            format!("what does not answer its question is not taken, and the question stays: {}", rejected.join("; ")),
        ))
    }

    /// Cancels a task. One that has ended stays as it is.
    pub(super) async fn cancel(&self, engine: &Arc<Engine>, id: &str, principal: &str) -> Result<(), Error> {
        let invocation = self.invocation(id, principal).ok_or_else(|| unknown(id))?;
        let cancelled = Interruption::Cancelled { reason: "by its client, with `tasks/cancel`".into() };
        engine.interrupt(invocation, cancelled).await?.map(drop).ok_or_else(|| unknown(id))
    }

    fn task(&self, id: String, status: TaskStatus, created: u64, updated: u64, end: Option<Timestamp>) -> Task {
        let mut task = Task::new(id, status, text(created), text(updated))
            .with_poll_interval_ms(u64::try_from(POLL_INTERVAL.as_millis()).expect("a second"));
        // It counts from the creation, and a task is kept for as long as it runs.
        task.ttl_ms = end.map(|end| end.after(self.time_to_live).as_millis().saturating_sub(created));
        task
    }
}

fn ended_task(task: Task, invocation: InvocationId, ended: &Ended) -> DetailedTask {
    match &ended.conclusion {
        Conclusion::Cancelled { reason } => {
            DetailedTask::new(task.with_status_message(reason.clone()), TaskPayload::Cancelled)
        }
        Conclusion::Refused { message, .. } => {
            DetailedTask::new(task, TaskPayload::Failed { error: error_object(&result::refused(message)) })
        }
        Conclusion::Succeeded { .. }
        | Conclusion::Presented { .. }
        | Conclusion::Failed { .. }
        | Conclusion::TimedOut { .. } => {
            let result = result::of_invocation(result::result(&ended.conclusion), invocation, false);
            let payload = match serde_json::to_value(&result) {
                Ok(Value::Object(result)) => TaskPayload::Completed { result },
                _ => TaskPayload::Failed { error: unsendable(invocation) },
            };
            DetailedTask::new(task, payload)
        }
    }
}

fn unsendable(invocation: InvocationId) -> JsonObject {
    let error = Error::new(
        ErrorKind::FixProgram,
        "result_not_recordable",
        format!("the result of invocation {invocation} has no JSON form"),
    );
    error_object(&error)
}

fn error_object(error: &Error) -> JsonObject {
    match serde_json::to_value(protocol_error(error)) {
        Ok(Value::Object(error)) => error,
        _ => JsonObject::new(),
    }
}

fn text(millis: u64) -> String {
    humantime::format_rfc3339_millis(UNIX_EPOCH + Duration::from_millis(millis)).to_string()
}

fn unknown(id: &str) -> Error {
    Error::new(ErrorKind::FixCall, "task_unknown", format!("there is no task `{id}`, or its time is over"))
}
