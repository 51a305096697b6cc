//! What a journal says of each step: a pure function of its records, without a store, a runtime or a clock.

use std::collections::HashMap;
use std::sync::Arc;

use super::identity::Identity;
use super::record::{Admission, Outcome, Record, StepKind};

/// What is known of one step.
#[derive(Clone, Debug, PartialEq, Eq)]
enum StepState {
    Started { attempt: u32 },
    Failed { attempt: u32, error: String, retry_at: u64 },
    Ended { outcome: Outcome },
    Unrecordable { reason: String },
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct StepHistory {
    kind: StepKind,
    state: StepState,
}

/// A journal that contradicts itself, which no server writes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Contradiction {
    #[error("the journal does not begin with the call's admission")]
    NoAdmission,
    #[error("the journal admits the call twice")]
    AdmittedTwice,
    #[error("the journal goes on with the step `{0}` after its outcome")]
    AfterOutcome(Identity),
    #[error("the journal has the operation `{0}` twice")]
    OperatedTwice(Identity),
    #[error("the journal asks the question `{0}` twice")]
    AskedTwice(Identity),
}

/// What to do when the body comes to a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Make this attempt.
    Attempt { attempt: u32 },
    /// An attempt failed; make the next one, but not before `retry_at`. If no more are allowed, `error` is the outcome.
    Retry { attempt: u32, retry_at: u64, error: String },
    /// Give the body this outcome.
    Return(Outcome),
    /// This attempt was started and never ended.
    InDoubt { attempt: u32 },
    /// The invocation cannot go on with this code.
    Park { code: &'static str, reason: String },
}

/// Everything that a journal says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct History {
    admission: Arc<Admission>,
    steps: HashMap<Identity, StepHistory>,
    operations: HashMap<Identity, Vec<u8>>,
    asked: HashMap<Identity, Asked>,
    cancelled: Option<String>,
    /// A person has ended it.
    is_completed: bool,
}

/// A question that was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    /// The request, as JSON.
    pub(crate) request: String,
    /// Milliseconds since the Unix epoch.
    pub(crate) expires_at: u64,
}

/// Reads a whole journal.
pub(crate) fn replay(records: impl IntoIterator<Item = Record>) -> Result<History, Contradiction> {
    let mut records = records.into_iter();
    let Some(Record::Admitted(admission)) = records.next() else {
        return Err(Contradiction::NoAdmission);
    };
    let mut history = History::new(admission);
    for record in records {
        history.append(record)?;
    }
    Ok(history)
}

impl History {
    /// The history of a call that is only admitted.
    pub(crate) fn new(admission: Arc<Admission>) -> Self {
        Self {
            admission,
            steps: HashMap::new(),
            operations: HashMap::new(),
            asked: HashMap::new(),
            cancelled: None,
            is_completed: false,
        }
    }

    fn append(&mut self, record: Record) -> Result<(), Contradiction> {
        let (step, kind, state) = match record {
            Record::Admitted(_) => return Err(Contradiction::AdmittedTwice),
            Record::Operated { operation, result } => {
                return match self.operations.insert(operation.clone(), result) {
                    None => Ok(()),
                    Some(_) => Err(Contradiction::OperatedTwice(operation)),
                };
            }
            Record::Cancelled { reason, .. } => {
                self.cancelled.get_or_insert(reason);
                return Ok(());
            }
            Record::Forked { .. } | Record::Retried { .. } => return Ok(()),
            Record::Completed { .. } => {
                self.is_completed = true;
                return Ok(());
            }
            Record::Resolved { step, kind, outcome, .. } => {
                self.steps.insert(step, StepHistory { kind, state: StepState::Ended { outcome } });
                return Ok(());
            }
            Record::Asked { question, request, expires_at, .. } => {
                return match self.asked.insert(question.clone(), Asked { request, expires_at }) {
                    None => Ok(()),
                    Some(_) => Err(Contradiction::AskedTwice(question)),
                };
            }
            Record::Started { step, attempt, .. } => (step, StepKind::AtMostOnce, StepState::Started { attempt }),
            Record::Failed { step, kind, attempt, error, retry_at, .. } => {
                (step, kind, StepState::Failed { attempt, error, retry_at })
            }
            Record::Ended { step, kind, outcome, .. } => (step, kind, StepState::Ended { outcome }),
            Record::Unrecordable { step, kind, reason, .. } => (step, kind, StepState::Unrecordable { reason }),
        };
        let before = self.steps.insert(step.clone(), StepHistory { kind, state });
        match before.map(|history| history.state) {
            Some(StepState::Ended { .. } | StepState::Unrecordable { .. }) => Err(Contradiction::AfterOutcome(step)),
            _ => Ok(()),
        }
    }

    /// The call.
    pub(crate) fn admission(&self) -> &Admission {
        &self.admission
    }

    /// What to do at a step of this kind.
    pub(crate) fn decide(&self, step: &Identity, kind: StepKind) -> Decision {
        let Some(history) = self.steps.get(step) else {
            return Decision::Attempt { attempt: 1 };
        };
        if history.kind != kind {
            return Decision::Park {
                code: "step_kind_changed",
                reason: format!(
                    "the step `{step}` is marked {} in this build, and was {} when it ran; deploy the marker it had, or \
                     give the new one another name",
                    kind.marker(),
                    history.kind.marker()
                ),
            };
        }
        match &history.state {
            StepState::Started { attempt } => Decision::InDoubt { attempt: *attempt },
            StepState::Failed { attempt, error, retry_at } => {
                Decision::Retry { attempt: attempt.saturating_add(1), retry_at: *retry_at, error: error.clone() }
            }
            StepState::Ended { outcome } => Decision::Return(outcome.clone()),
            StepState::Unrecordable { reason } => {
                Decision::Park { code: "outcome_not_recordable", reason: reason.clone() }
            }
        }
    }

    /// Why the call was cancelled, if what it did is being undone.
    pub(crate) fn cancelled(&self) -> Option<&str> {
        self.cancelled.as_deref()
    }

    /// Whether a person has ended it, wherever its body was.
    pub(crate) fn is_completed(&self) -> bool {
        self.is_completed
    }

    /// How a step is marked, by the journal.
    pub(crate) fn kind(&self, step: &Identity) -> Option<StepKind> {
        self.steps.get(step).map(|history| history.kind)
    }

    /// Whether an at-most-once attempt of a step was started, and nothing is recorded of its end.
    pub(crate) fn is_open(&self, step: &Identity) -> bool {
        self.steps.get(step).is_some_and(|history| matches!(history.state, StepState::Started { .. }))
    }

    /// Whether a step was begun, as far as that is recorded.
    pub(crate) fn has_begun(&self, step: &Identity) -> bool {
        self.steps.contains_key(step)
    }

    /// The outcome of a step, if it has one.
    pub(crate) fn outcome(&self, step: &Identity) -> Option<&Outcome> {
        match &self.steps.get(step)?.state {
            StepState::Ended { outcome } => Some(outcome),
            StepState::Started { .. } | StepState::Failed { .. } | StepState::Unrecordable { .. } => None,
        }
    }

    /// All steps that were begun.
    pub(crate) fn steps(&self) -> impl Iterator<Item = &Identity> {
        self.steps.keys()
    }

    /// All operations that were made, and questions that were asked.
    pub(crate) fn operations(&self) -> impl Iterator<Item = &Identity> {
        self.operations.keys().chain(self.open_questions().map(|(question, _)| question))
    }

    /// A question, if it was asked.
    pub(crate) fn asked(&self, question: &Identity) -> Option<&Asked> {
        self.asked.get(question)
    }

    /// The questions with an answer, and what was recorded of it.
    pub(crate) fn answered_questions(&self) -> impl Iterator<Item = (&Identity, &[u8])> {
        self.asked.keys().filter_map(|question| Some((question, self.operation(question)?)))
    }

    /// The questions without an answer.
    pub(crate) fn open_questions(&self) -> impl Iterator<Item = (&Identity, &Asked)> {
        self.asked.iter().filter(|(question, _)| !self.operations.contains_key(question))
    }

    /// What an operation of the body gave, if it was made.
    pub(crate) fn operation(&self, operation: &Identity) -> Option<&[u8]> {
        self.operations.get(operation).map(Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(name: &str) -> Identity {
        Identity { scope: String::new(), name: name.to_owned().into(), key: None }
    }

    fn admitted() -> Record {
        Record::Admitted(Arc::new(Admission {
            tool: "pay".into(),
            arguments: "{}".into(),
            principal: String::new(),
            origin: "local".into(),
            idempotency_key: None,
            build: String::new(),
            seed: 0,
            at: 0,
        }))
    }

    fn started(name: &str, attempt: u32) -> Record {
        Record::Started { step: step(name), attempt, at: 0 }
    }

    fn failed(name: &str, kind: StepKind, attempt: u32) -> Record {
        Record::Failed { step: step(name), kind, attempt, error: "\"no route\"".into(), at: 0, retry_at: 900 }
    }

    fn ended(name: &str, kind: StepKind, value: &str) -> Record {
        Record::Ended { step: step(name), kind, attempt: 1, outcome: Outcome::Value(value.into()), at: 0 }
    }

    fn history(records: Vec<Record>) -> History {
        replay(records).expect("a journal in order")
    }

    #[test]
    fn a_step_that_is_not_in_the_journal_is_attempted() {
        let history = history(vec![admitted()]);
        for kind in [StepKind::AtLeastOnce, StepKind::AtMostOnce] {
            assert_eq!(history.decide(&step("a"), kind), Decision::Attempt { attempt: 1 });
        }
    }

    #[test]
    fn a_step_with_an_outcome_is_not_attempted_again() {
        let history = history(vec![admitted(), ended("a", StepKind::AtLeastOnce, "1")]);
        assert_eq!(history.decide(&step("a"), StepKind::AtLeastOnce), Decision::Return(Outcome::Value("1".into())));
    }

    #[test]
    fn an_at_most_once_attempt_without_an_end_is_in_doubt() {
        let history = history(vec![admitted(), started("a", 1)]);
        assert_eq!(history.decide(&step("a"), StepKind::AtMostOnce), Decision::InDoubt { attempt: 1 });
    }

    #[test]
    fn a_started_attempt_that_ended_is_not_in_doubt() {
        let history = history(vec![admitted(), started("a", 1), ended("a", StepKind::AtMostOnce, "1")]);
        assert_eq!(history.decide(&step("a"), StepKind::AtMostOnce), Decision::Return(Outcome::Value("1".into())));
    }

    #[test]
    fn a_failed_attempt_is_followed_by_the_next_one_at_its_time() {
        for kind in [StepKind::AtLeastOnce, StepKind::AtMostOnce] {
            let history = history(vec![admitted(), failed("a", kind, 2)]);
            assert_eq!(
                history.decide(&step("a"), kind),
                Decision::Retry { attempt: 3, retry_at: 900, error: "\"no route\"".into() }
            );
        }
    }

    #[test]
    fn a_second_attempt_without_an_end_is_in_doubt_again() {
        let history = history(vec![admitted(), started("a", 1), failed("a", StepKind::AtMostOnce, 1), started("a", 2)]);
        assert_eq!(history.decide(&step("a"), StepKind::AtMostOnce), Decision::InDoubt { attempt: 2 });
    }

    #[test]
    fn the_order_of_other_steps_means_nothing() {
        let one =
            history(vec![admitted(), ended("a", StepKind::AtLeastOnce, "1"), ended("b", StepKind::AtLeastOnce, "2")]);
        let other =
            history(vec![admitted(), ended("b", StepKind::AtLeastOnce, "2"), ended("a", StepKind::AtLeastOnce, "1")]);
        assert_eq!(one, other);
    }

    #[test]
    fn a_step_of_another_kind_than_recorded_parks() {
        let history = history(vec![admitted(), ended("a", StepKind::AtLeastOnce, "1")]);
        assert!(matches!(
            history.decide(&step("a"), StepKind::AtMostOnce),
            Decision::Park { code: "step_kind_changed", .. }
        ));
    }

    #[test]
    fn an_outcome_that_could_not_be_recorded_parks_and_is_not_attempted_again() {
        let history = history(vec![
            admitted(),
            Record::Unrecordable {
                step: step("a"),
                kind: StepKind::AtLeastOnce,
                attempt: 1,
                reason: "too large".into(),
                at: 0,
            },
        ]);
        assert!(matches!(
            history.decide(&step("a"), StepKind::AtLeastOnce),
            Decision::Park { code: "outcome_not_recordable", .. }
        ));
    }

    #[test]
    fn the_outcome_that_a_person_gives_counts_whatever_the_journal_says_before() {
        let unrecordable = Record::Unrecordable {
            step: step("a"),
            kind: StepKind::AtMostOnce,
            attempt: 1,
            reason: "too large".into(),
            at: 0,
        };
        for before in [started("a", 1), unrecordable, ended("a", StepKind::AtMostOnce, "\"old\"")] {
            let outcome = Outcome::Value("7".into());
            let resolved =
                Record::Resolved { step: step("a"), kind: StepKind::AtMostOnce, outcome: outcome.clone(), at: 0 };
            let history = history(vec![admitted(), before, resolved]);
            assert_eq!(history.decide(&step("a"), StepKind::AtMostOnce), Decision::Return(outcome));
        }
    }

    #[test]
    fn an_operation_gives_what_it_gave() {
        let history = history(vec![admitted(), Record::Operated { operation: step("users.get"), result: vec![7] }]);
        assert_eq!(history.operation(&step("users.get")), Some(&[7][..]));
        assert_eq!(history.operation(&step("users.range")), None);
    }

    #[test]
    fn a_journal_that_contradicts_itself_is_refused() {
        let twice = ended("a", StepKind::AtLeastOnce, "1");
        assert_eq!(replay(vec![]), Err(Contradiction::NoAdmission));
        assert_eq!(replay(vec![started("a", 1)]), Err(Contradiction::NoAdmission));
        assert_eq!(replay(vec![admitted(), admitted()]), Err(Contradiction::AdmittedTwice));
        assert_eq!(replay(vec![admitted(), twice.clone(), twice]), Err(Contradiction::AfterOutcome(step("a"))));
    }
}
