//! What a fork begins with.

use std::collections::BTreeSet;

use durable_runtime::{InvocationId, JournalEntry};
use serde_json::Value;

use crate::end::UNDOING;
use crate::world::World;

/// A fork has what had begun in its original before the step, with what became of it, and nothing else of it.
pub(crate) fn check(world: &World, fork: InvocationId, entries: &[JournalEntry]) {
    let Some(forked) = entries.iter().find(|entry| entry.record == "forked") else { return };
    let text = |name: &str| forked.details.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let Ok(from) = text("from").parse::<InvocationId>() else {
        return world.broken("a fork tells where it is from", fork.to_string());
    };
    let step = text("step");
    let original: Vec<JournalEntry> = world.entries(from).into_iter().filter(is_of_body).collect();
    let has_begun: BTreeSet<&String> =
        original.iter().filter_map(|entry| entry.of.as_ref()).take_while(|of| **of != step).collect();
    let (of_step, of_others): (Vec<&JournalEntry>, Vec<_>) =
        entries.iter().filter(|entry| is_of_body(entry)).partition(|entry| entry.of.as_ref() == Some(&step));
    // A person may have said what the step has given.
    if of_step.len() > 1 || of_step.iter().any(|entry| entry.record != "resolved") {
        world.broken("a fork's step has nothing of its original", format!("{fork} of {from}: {of_step:?}"));
    }
    let expected: Vec<&JournalEntry> =
        original.iter().filter(|entry| entry.of.as_ref().is_some_and(|of| has_begun.contains(of))).collect();
    if of_others != expected {
        let how = format!("{fork} of {from} from `{step}` on: {of_others:?} in place of {expected:?}");
        world.broken("a fork keeps what had begun before its step", how);
    }
}

fn is_of_body(entry: &JournalEntry) -> bool {
    entry.of.as_ref().is_some_and(|of| !of.starts_with(UNDOING))
}
