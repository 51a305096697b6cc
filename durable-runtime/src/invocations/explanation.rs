//! Everything that is known of an invocation.

use std::collections::HashMap;
use std::fmt;

use serde::Serialize;
use serde_json::Value;

use super::journal::{JournalEntry, entry, parsed};
use super::summary::{InvocationState, InvocationSummary};
use super::wait::{Wait, waits};
use crate::audit::Redaction;
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind};
use crate::id::InvocationId;
use crate::journal::identity::Identity;
use crate::journal::record::{Outcome, Record, StepKind};
use crate::tool::ToolDefinition;

/// Everything that is known of an invocation. Its text is made for people.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Explanation {
    /// What it is, and where it stands.
    pub invocation: InvocationSummary,
    /// How the call came: `http`, `stdio` or `local`.
    pub origin: String,
    /// The build of the server that admitted it.
    pub build: String,
    /// The idempotency key that gives it; of a fork only if it took the key over.
    pub idempotency_key: Option<String>,
    /// The invocation that it is a fork of.
    pub forked_from: Option<InvocationOrigin>,
    /// The arguments.
    pub arguments: Value,
    /// The steps that are recorded, in the order in which they began.
    pub steps: Vec<StepExplanation>,
    /// What it waits for.
    pub waits: Vec<Wait>,
    /// The journal; empty once it is deleted, some time after the end, and then so is all that it tells.
    pub journal: Vec<JournalEntry>,
}

/// Where a fork comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct InvocationOrigin {
    /// The invocation that was forked.
    pub invocation: InvocationId,
    /// The step that it was forked from.
    pub step: String,
}

/// A step, as the journal has it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct StepExplanation {
    /// Which one, as `scope/name[key]`.
    pub step: String,
    /// Its marker: `at_least` or `at_most`.
    pub marker: &'static str,
    /// Where it stands.
    pub state: StepState,
    /// Its failed attempts that others followed.
    pub failures: Vec<FailedAttempt>,
}

/// Where a step stands.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StepState {
    /// This attempt of an at-most-once step was started, and has no recorded end: if it does not run just now, it is in doubt.
    Started(u32),
    /// The last attempt failed, and another one is to come.
    Failing,
    /// It has this value.
    Value(Value),
    /// It has this error.
    Error(Value),
    /// It may have happened or not, and the call went on with this error.
    InDoubt(Value),
    /// It happened, and its outcome could not be recorded: why.
    Unrecordable(String),
}

/// An attempt that failed.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct FailedAttempt {
    /// Its number, from 1.
    pub attempt: u32,
    /// When it failed.
    pub at: Timestamp,
    /// With what.
    pub error: Value,
}

impl Explanation {
    pub(super) fn new(
        invocation: InvocationSummary,
        records: &[Record],
        tool: Option<&ToolDefinition>,
        now: Timestamp,
    ) -> Result<Self, Error> {
        let is_ended = matches!(invocation.state, InvocationState::Ended { .. });
        let admission = match records.first() {
            Some(Record::Admitted(admission)) => Some(admission),
            None if is_ended => None,
            _ => {
                return Err(Error::new(
                    ErrorKind::AskPerson,
                    "record_unreadable",
                    format!("the journal of invocation {} does not begin with an admission", invocation.id),
                ));
            }
        };
        let forked_from = records.iter().find_map(|record| match record {
            Record::Forked { from, step, .. } => {
                Some(InvocationOrigin { invocation: InvocationId::from_bytes(*from), step: step.clone() })
            }
            _ => None,
        });
        let mut explanation = Self {
            origin: admission.map(|admission| admission.origin.clone()).unwrap_or_default(),
            build: admission.map(|admission| admission.build.clone()).unwrap_or_default(),
            idempotency_key: admission.and_then(|admission| admission.idempotency_key.clone()),
            forked_from,
            arguments: admission.map_or(Value::Null, |admission| parsed(&admission.arguments)),
            steps: steps(records),
            waits: if is_ended { Vec::new() } else { waits(records, now) },
            journal: records.iter().map(entry).collect(),
            invocation,
        };
        match tool {
            Some(tool) => {
                let mut redaction = Redaction::new(tool.audits.iter().flat_map(|audit| audit.redacted).copied());
                explanation.each_value(|value| redaction.hide(value));
                explanation.each_value(|value| scrub(value, &redaction));
                explanation.each_text(|text| *text = redaction.hide_in_text(std::mem::take(text)));
            }
            // What a tool redacts that this build does not have is not known.
            None => explanation.each_value(|value| *value = "[not shown without the tool]".into()),
        }
        Ok(explanation)
    }

    fn each_value(&mut self, mut change: impl FnMut(&mut Value)) {
        change(&mut self.arguments);
        for step in &mut self.steps {
            match &mut step.state {
                StepState::Value(value) | StepState::Error(value) | StepState::InDoubt(value) => change(value),
                StepState::Started(_) | StepState::Failing | StepState::Unrecordable(_) => {}
            }
            step.failures.iter_mut().for_each(|failure| change(&mut failure.error));
        }
        for entry in &mut self.journal {
            let values =
                ["arguments", "value", "error", "doubt", "result", "request", "answer", "unavailable", "reason"];
            entry
                .details
                .iter_mut()
                .filter(|(name, _)| values.contains(&name.as_str()))
                .for_each(|(_, value)| change(value));
        }
        match &mut self.invocation.state {
            InvocationState::Ended { result: Ok(value), .. } => change(value),
            InvocationState::Ended { result: Err(failure), .. } => change(&mut failure.error),
            _ => {}
        }
    }

    fn each_text(&mut self, mut change: impl FnMut(&mut String)) {
        match &mut self.invocation.state {
            InvocationState::Parked { reason, .. } => change(reason),
            InvocationState::Ended { result: Err(failure), .. } => change(&mut failure.message),
            _ => {}
        }
        for step in &mut self.steps {
            if let StepState::Unrecordable(reason) = &mut step.state {
                change(reason);
            }
        }
    }
}

/// Hides in all texts of a value what was hidden elsewhere.
fn scrub(value: &mut Value, redaction: &Redaction) {
    match value {
        Value::String(text) => *text = redaction.hide_in_text(std::mem::take(text)),
        Value::Array(items) => items.iter_mut().for_each(|item| scrub(item, redaction)),
        Value::Object(fields) => fields.values_mut().for_each(|field| scrub(field, redaction)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn steps(records: &[Record]) -> Vec<StepExplanation> {
    let mut steps: Vec<StepExplanation> = Vec::new();
    let mut places: HashMap<&Identity, usize> = HashMap::new();
    for record in records {
        let (step, kind, state) = match record {
            Record::Started { step, attempt, .. } => (step, StepKind::AtMostOnce, StepState::Started(*attempt)),
            Record::Failed { step, kind, .. } => (step, *kind, StepState::Failing),
            Record::Ended { step, kind, outcome, .. } | Record::Resolved { step, kind, outcome, .. } => {
                (step, *kind, ended(outcome))
            }
            Record::Unrecordable { step, kind, reason, .. } => (step, *kind, StepState::Unrecordable(reason.clone())),
            _ => continue,
        };
        let place = *places.entry(step).or_insert_with(|| {
            let (step, marker) = (step.to_string(), kind.marker());
            steps.push(StepExplanation { step, marker, state: StepState::Failing, failures: Vec::new() });
            steps.len() - 1
        });
        steps[place].state = state;
        if let Record::Failed { attempt, error, at, .. } = record {
            let failure = FailedAttempt { attempt: *attempt, at: Timestamp::from_millis(*at), error: parsed(error) };
            steps[place].failures.push(failure);
        }
    }
    steps
}

fn ended(outcome: &Outcome) -> StepState {
    match outcome {
        Outcome::Value(json) => StepState::Value(parsed(json)),
        Outcome::Error(json) => StepState::Error(parsed(json)),
        Outcome::InDoubt(json) => StepState::InDoubt(parsed(json)),
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { invocation, origin, build, arguments, .. } = self;
        writeln!(f, "{invocation}")?;
        if self.journal.is_empty() {
            return writeln!(f, "its journal is deleted");
        }
        write!(f, "admitted at {} over {origin} by `{build}`", invocation.admitted_at)?;
        if !invocation.principal.is_empty() {
            write!(f, ", called by `{}`", invocation.principal)?;
        }
        if let Some(key) = &self.idempotency_key {
            write!(f, ", under the key `{key}`")?;
        }
        writeln!(f)?;
        if let Some(from) = &self.forked_from {
            writeln!(f, "a fork of {} from `{}`", from.invocation, from.step)?;
        }
        writeln!(f, "arguments: {arguments}")?;
        self.waits.iter().try_for_each(|wait| writeln!(f, "waits: {wait}"))?;
        self.steps.iter().try_for_each(|step| writeln!(f, "step {step}"))?;
        writeln!(f, "journal:")?;
        self.journal.iter().try_for_each(|entry| writeln!(f, "  {entry}"))
    }
}

impl fmt::Display for StepExplanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` ({}): ", self.step, self.marker)?;
        match &self.state {
            StepState::Started(attempt) => write!(f, "attempt {attempt} was started, and has no recorded end")?,
            StepState::Failing => f.write_str("fails")?,
            StepState::Value(value) => write!(f, "gave {value}")?,
            StepState::Error(error) => write!(f, "failed with {error}")?,
            StepState::InDoubt(error) => write!(f, "in doubt; the call went on with {error}")?,
            StepState::Unrecordable(reason) => f.write_str(reason)?,
        }
        let last = self.failures.last().map(|last| format!(", the last with {}", last.error)).unwrap_or_default();
        match self.failures.len() {
            0 => Ok(()),
            count => write!(f, "; {count} failed attempts{last}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::context::DurableContext;
    use crate::durable_tool;
    use crate::error::ToolError;
    use crate::journal::codec;
    use crate::journal::record::{Admission, Reply};
    use crate::tool::Tool as _;

    /// Signs in.
    #[durable_tool(crate = crate)]
    #[audit("log", redact(password))]
    async fn sign_in(_cx: &DurableContext, password: String) -> Result<usize, ToolError> {
        Ok(password.len())
    }

    const NOW: Timestamp = Timestamp::from_millis(1000);

    fn explained(state: InvocationState, operations: &[(&'static str, Vec<u8>)]) -> Explanation {
        let admission = Admission {
            tool: "sign_in".into(),
            arguments: json!({ "password": "hunter2" }).to_string(),
            principal: String::new(),
            origin: "local".into(),
            idempotency_key: None,
            build: String::new(),
            seed: 0,
            at: 0,
        };
        let invocation = InvocationSummary {
            id: InvocationId::new(NOW),
            tool: "sign_in".into(),
            principal: String::new(),
            admitted_at: NOW,
            state,
        };
        let operated = operations.iter().map(|(name, result)| Record::Operated {
            operation: Identity { scope: String::new(), name: (*name).into(), key: None },
            result: result.clone(),
        });
        let records: Vec<Record> = std::iter::once(Record::Admitted(Arc::new(admission))).chain(operated).collect();
        Explanation::new(invocation, &records, Some(&sign_in().definition()), NOW).expect("a sound journal")
    }

    fn running() -> InvocationState {
        InvocationState::Running { unclean_ends: 0 }
    }

    #[test]
    fn what_is_redacted_is_hidden_in_what_operations_gave() {
        let result = json!({ "user": "ada", "password": "hunter2" }).to_string().into_bytes();
        let unavailable = codec::encode(&Reply::Unavailable("the client refuses `hunter2`".into()));
        let explained = explained(running(), &[("transaction", result), ("elicit", unavailable)]);
        let text = format!("{explained} {}", json!(explained));
        assert!(text.contains("ada") && text.contains("the client refuses"), "{text}");
        assert!(!text.contains("hunter2"), "{text}");
    }

    #[test]
    fn what_has_ended_waits_for_nothing_that_its_journal_leaves_waiting() {
        let sleep = [("sleep", codec::encode(&2000_u64))];
        assert_eq!(explained(running(), &sleep).waits.len(), 1);
        let ended = InvocationState::Ended { at: NOW, result: Ok(Value::Null) };
        assert_eq!(explained(ended, &sleep).waits, []);
    }
}
