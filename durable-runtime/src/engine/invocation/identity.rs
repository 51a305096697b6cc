//! Which steps and operations a run of a body has come to.

use std::collections::HashSet;

use super::{Invocation, State};
use crate::journal::identity::Identity;

impl Invocation {
    /// Takes an identity for a step. A second step of the same identity would be given the first one's outcome, so the
    /// invocation is parked instead; `false` then.
    pub(crate) fn claim_step(&self, identity: &Identity) -> bool {
        if self.is_misused("step", identity) || !self.state.lock().steps_claimed.insert(identity.clone()) {
            self.park(
                "duplicate_step",
                format!(
                    "the step `{identity}` was reached twice in one call; give each round of a loop a `key` of its own, and \
                     each marker a `name`"
                ),
            );
            return false;
        }
        self.is_within_limits(identity)
    }

    /// Gives an operation of the body its identity: of several with one name and key, each after the first is numbered.
    pub(crate) fn claim_operation(&self, identity: Identity) -> Option<Identity> {
        let identity = self.numbered(identity)?;
        self.state.lock().operations_claimed.insert(identity.clone());
        self.is_within_limits(&identity).then_some(identity)
    }

    /// Takes an identity that its author has named. A second operation of the same name is a mistake, as with steps; the
    /// invocation is parked.
    pub(crate) fn claim_alias(&self, identity: Identity) -> Option<Identity> {
        if self.is_misused("operation", &identity) {
            return None;
        }
        if !self.state.lock().operations_claimed.insert(identity.clone()) {
            self.park(
                "duplicate_operation",
                format!(
                    "the operation `{identity}` was reached twice in one call; give each `.idempotently(..)` an alias of its \
                     own, in a loop one for each round"
                ),
            );
            return None;
        }
        self.is_within_limits(&identity).then_some(identity)
    }

    /// The same for what is not recorded, or not always.
    pub(crate) fn claim_unrecorded(&self, identity: Identity) -> Option<Identity> {
        let identity = self.numbered(identity)?;
        if self.history.operation(&identity).is_some() {
            self.state.lock().operations_claimed.insert(identity.clone());
        }
        Some(identity)
    }

    fn numbered(&self, mut identity: Identity) -> Option<Identity> {
        if self.is_misused("operation", &identity) {
            return None;
        }
        let mut state = self.state.lock();
        let occurrence = state.occurrences.entry(identity.clone()).or_insert(0);
        *occurrence += 1;
        if *occurrence > 1 {
            identity.name = format!("{}#{occurrence}", identity.name).into();
        }
        Some(identity)
    }

    /// Takes an identity that may be taken more than once.
    pub(crate) fn claim_again(&self, identity: Identity) {
        if !self.is_misused("operation", &identity) {
            self.state.lock().operations_claimed.insert(identity);
        }
    }

    /// Whether this run has come to everything that the journal has: what follows, no earlier run has done.
    pub(crate) fn is_at_the_end_of_its_history(&self) -> bool {
        let state = self.state.lock();
        let is_claimed =
            |claimed: &HashSet<Identity>, identity| claimed.contains(identity) || state.passes_over(identity);
        self.history.steps().all(|step| is_claimed(&state.steps_claimed, step))
            && self.history.operations().all(|operation| is_claimed(&state.operations_claimed, operation))
    }

    /// The body goes on without what it began in this scope.
    pub(crate) fn pass_over(&self, scope: String) {
        self.withdraw_questions(&scope);
        self.state.lock().passed_over.push(scope);
    }

    fn is_within_limits(&self, identity: &Identity) -> bool {
        let limit = self.surroundings.limits.steps;
        let claimed = {
            let state = self.state.lock();
            state.steps_claimed.len() + state.operations_claimed.len()
        };
        if claimed <= limit {
            return self.is_in_history(identity) || self.is_within_journal_limit(identity);
        }
        self.park(
            "too_many_steps",
            format!("`{identity}` would be one step more than the {limit} that a call may make; split the work into several calls"),
        );
        false
    }

    fn is_in_history(&self, identity: &Identity) -> bool {
        let history = &self.history;
        history.has_begun(identity) || history.operation(identity).is_some() || history.asked(identity).is_some()
    }

    /// Whether the journal has room for more of this step; the invocation is parked if it has none. An outcome is recorded all the
    /// same, for its effect has happened.
    pub(crate) fn is_within_journal_limit(&self, identity: &Identity) -> bool {
        let limit = self.surroundings.limits.journal_bytes;
        let bytes = self.state.lock().journal_bytes;
        if bytes <= limit {
            return true;
        }
        self.park(
            "journal_too_large",
            format!(
                "the journal has {bytes} bytes, and {limit} is the most, so that it does not go on with `{identity}`; keep the \
                 data elsewhere, split the work into several calls, or raise `Limits::journal_bytes`"
            ),
        );
        false
    }

    /// What the journal has and this run has not come to, and what this run has come to that the journal does not have.
    pub(in crate::engine) fn departures(&self) -> (Vec<Identity>, Vec<Identity>) {
        let state = self.state.lock();
        let steps: HashSet<&Identity> = self.history.steps().collect();
        let operations: HashSet<&Identity> = self.history.operations().collect();
        let (mut missed, mut new) = (Vec::new(), Vec::new());
        for (claimed, recorded) in [(&state.steps_claimed, steps), (&state.operations_claimed, operations)] {
            let is_missed = |identity: &&&Identity| !claimed.contains(**identity) && !state.passes_over(identity);
            missed.extend(recorded.iter().filter(is_missed).map(|identity| (*identity).clone()));
            new.extend(claimed.iter().filter(|identity| !recorded.contains(identity)).cloned());
        }
        (missed, new)
    }

    /// Says in the log what the body has not come to, at its end, although an earlier build's had.
    pub(in crate::engine) fn warn_of_missed(&self) {
        if !self.was_stored {
            return;
        }
        for missed in self.departures().0 {
            let state = if self.history.is_open(&missed) { "begun, and without an outcome" } else { "recorded" };
            tracing::warn!(invocation = %self.id, step = %missed, state, "a call ends without coming to what its journal has");
        }
    }

    /// Whether the body's context is used while an attempt is polled, which would make an effect inside an effect.
    fn is_misused(&self, what: &str, identity: &Identity) -> bool {
        let misused = self.state.lock().in_attempt;
        if misused {
            self.park(
                "body_context_in_step",
                format!(
                    "the {what} `{identity}` was begun with the tool's context inside an attempt of a step; inside a step use the step's own \
                     context, which `cx` names there"
                ),
            );
        }
        misused
    }

    /// What this run has come to that its history does not have, unless `may_go_further`, and the other way round.
    pub(in crate::engine) fn differences_from_history(&self, may_go_further: bool) -> Vec<String> {
        let (missed, new) = self.departures();
        let new = new.iter().filter(|_| !may_go_further);
        let come_to = new.map(|identity| format!("it comes to `{identity}`, which it did not come to"));
        let missed = missed.iter().map(|identity| format!("it does not come to `{identity}`, which it came to"));
        let mut differences: Vec<String> = come_to.chain(missed).collect();
        differences.sort_unstable();
        differences
    }
}

impl State {
    /// Whether this lies in the scope of a branch that lost: it is not come to again.
    fn passes_over(&self, identity: &Identity) -> bool {
        self.passed_over.iter().any(|scope| identity.is_within(scope))
    }
}
