//! Which steps and operations a run of a body has come to.

use std::collections::HashSet;

use super::Invocation;
use crate::journal::identity::Identity;

impl Invocation {
    /// Takes an identity for a step. A second step of the same identity would be given the first one's outcome, so the
    /// invocation is parked instead; `false` then.
    pub(crate) fn claim_step(&self, identity: &Identity) -> bool {
        if self.is_misused(&format!("the step `{identity}`")) || !self.state.lock().claimed.insert(identity.clone()) {
            self.park(
                "duplicate_step",
                format!(
                    "the step `{identity}` was reached twice in one call; give each round of a loop a `key` of its own, and \
                     each marker a `name`"
                ),
            );
            return false;
        }
        self.is_within_step_limit(identity)
    }

    /// Gives an operation of the body its identity: of several with one name and key, each after the first is numbered.
    pub(crate) fn claim_operation(&self, identity: Identity) -> Option<Identity> {
        let identity = self.numbered(identity)?;
        self.state.lock().claimed.insert(identity.clone());
        self.is_within_step_limit(&identity).then_some(identity)
    }

    /// The same for what is not recorded, or not always.
    pub(crate) fn claim_unrecorded(&self, identity: Identity) -> Option<Identity> {
        let identity = self.numbered(identity)?;
        if self.history.operation(&identity).is_some() {
            self.state.lock().claimed.insert(identity.clone());
        }
        Some(identity)
    }

    fn numbered(&self, mut identity: Identity) -> Option<Identity> {
        if self.is_misused(&format!("the operation `{identity}`")) {
            return None;
        }
        let mut state = self.state.lock();
        let occurrence = state.occurrences.entry(identity.clone()).or_insert(0);
        *occurrence += 1;
        if *occurrence > 1 {
            identity.name = format!("{}#{occurrence}", identity.name);
        }
        Some(identity)
    }

    /// Takes an identity that may be taken more than once.
    pub(crate) fn claim_again(&self, identity: Identity) {
        if !self.is_misused(&format!("the operation `{identity}`")) {
            self.state.lock().claimed.insert(identity);
        }
    }

    /// Whether this run has come to everything that the journal has: what follows, no earlier run has done.
    pub(crate) fn is_at_the_end_of_its_history(&self) -> bool {
        let state = self.state.lock();
        self.history.identities().all(|identity| state.claimed.contains(identity))
    }

    fn is_within_step_limit(&self, identity: &Identity) -> bool {
        let limit = self.surroundings.limits.steps;
        if self.state.lock().claimed.len() <= limit {
            return true;
        }
        self.park(
            "too_many_steps",
            format!("`{identity}` would be one step more than the {limit} that a call may make; split the work into several calls"),
        );
        false
    }

    /// Whether the body's context is used while an attempt is polled, which would make an effect inside an effect.
    fn is_misused(&self, what: &str) -> bool {
        let misused = self.state.lock().in_attempt;
        if misused {
            self.park(
                "body_context_in_step",
                format!(
                    "{what} was begun with the tool's context inside an attempt of a step; inside a step use the step's own \
                     context, which `cx` names there"
                ),
            );
        }
        misused
    }

    /// What this run has come to that its history does not have, and the other way round.
    pub(in crate::engine) fn differences_from_history(&self) -> Vec<String> {
        let state = self.state.lock();
        let recorded: HashSet<&Identity> = self.history().identities().collect();
        // The losers of a race are not run again; nothing in their scopes is claimed then.
        let scopes: HashSet<&str> = state.claimed.iter().map(|claimed| claimed.scope.as_str()).collect();
        let mut differences: Vec<String> = state
            .claimed
            .iter()
            .filter(|claimed| !recorded.contains(claimed))
            .map(|claimed| format!("it comes to `{claimed}`, which it did not come to"))
            .collect();
        let missed = recorded.into_iter().filter(|recorded| {
            !state.claimed.contains(recorded) && (recorded.scope.is_empty() || scopes.contains(recorded.scope.as_str()))
        });
        differences.extend(missed.map(|missed| format!("it does not come to `{missed}`, which it came to")));
        differences.sort_unstable();
        differences
    }
}
