//! What must hold when nothing is under way any more.

use std::time::Duration;

use durable_runtime::prelude::*;
use durable_runtime::store::Keyspace;
use durable_runtime::{ErrorKind, InvocationId, JournalEntry, LocalResult};

use crate::program::{Op, Program};
use crate::run::text;
use crate::world::{Snapshot, World, is_of};

/// What stands before the steps of what undoes a call.
pub(crate) const UNDOING: &str = "^on_cancel";

pub(crate) async fn check(server: &Server, world: &World) {
    world.end_panics();
    for (id, result) in world.all_acknowledged() {
        match result_of(server, id).await {
            Ok(answer) if text(&answer) == result => {}
            Ok(answer) => world.broken(
                "a result is the same bytes each time",
                format!("{id}: {result}, and at the end {}", text(&answer)),
            ),
            Err(error) => world.broken("an acknowledged id always resolves", format!("{id}: {error}")),
        }
    }
    match server.validate().await {
        Ok(differences) => {
            for difference in differences {
                world.broken("a replay asks for the same and ends the same", difference.to_string());
            }
        }
        Err(error) => world.broken("every journal can be read", error.to_string()),
    }
    let ids: Vec<Vec<u8>> = Snapshot::of(&world.rows).keys(Keyspace::Result).cloned().collect();
    for id in ids.into_iter().filter_map(|key| <[u8; 16]>::try_from(key).ok()) {
        let id: InvocationId = uuid::Uuid::from_bytes(id).to_string().parse().expect("the id of an invocation");
        let entries = world.entries(id);
        if entries.first().is_none_or(|first| first.record != "admitted") {
            world.broken("a journal begins with its admission", id.to_string());
        }
        let Some(program) = world.program_of(id) else { continue };
        let Ok(answer) = result_of(server, id).await else { continue };
        check_audit(world, id, &program, &answer);
        let code = answer.result.err().and_then(|failure| failure.code);
        check_deadline(world, id, &program, &entries, code);
        check_undoing(world, id, &program, &entries, code);
    }
}

/// The result of a call that has ended. A process that has met the one before it at the same call has it a moment later.
async fn result_of(server: &Server, id: InvocationId) -> Result<LocalResult, Error> {
    let mut looks = 0;
    loop {
        match server.invocations().result(id).await {
            Err(error) if error.kind() == ErrorKind::Retry && looks < 100 => {
                looks += 1;
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
            found => return found,
        }
    }
}

fn check_audit(world: &World, id: InvocationId, program: &Program, answer: &LocalResult) {
    let Some(entry) = world.audit_entry(id).filter(|_| program.is_audited) else { return };
    let says = (entry["success"].as_bool(), entry.get("outputs"), entry.get("error").is_some());
    if says != (Some(answer.result.is_ok()), answer.result.as_ref().ok(), answer.result.is_err()) {
        world.broken("the entry of an audited call says how it ended", format!("{}, and {entry}", text(answer)));
    }
}

fn check_deadline(world: &World, id: InvocationId, program: &Program, entries: &[JournalEntry], code: Option<&str>) {
    let is_timed_out = code == Some("invocation_timed_out");
    let Some(millis) = program.timeout_ms else {
        if is_timed_out {
            world.broken("a call without a deadline has none", id.to_string());
        }
        return;
    };
    let Some(admitted_at) = entries[0].at else { return };
    let late = entries.iter().any(|entry| {
        let is_undoing = entry.of.as_ref().is_some_and(|of| of.starts_with(UNDOING));
        entry.record == "started"
            && !is_undoing
            && entry.at.is_some_and(|at| at.as_millis() > admitted_at.as_millis() + millis)
    });
    if late && !entries.iter().any(|entry| entry.record == "forked") {
        world.broken("no attempt starts after the deadline", id.to_string());
    }
}

fn check_undoing(world: &World, id: InvocationId, program: &Program, entries: &[JournalEntry], code: Option<&str>) {
    let Some(cancelled) = entries.iter().position(|entry| entry.record == "cancelled") else {
        let undone = entries.iter().any(|entry| entry.of.as_ref().is_some_and(|of| of.starts_with(UNDOING)));
        if undone || program.undo.is_some() && code == Some("invocation_cancelled") {
            world.broken("what is cancelled is undone, and nothing else", id.to_string());
        }
        return;
    };
    if code != Some("invocation_cancelled") {
        world.broken("what is cancelled ends so", format!("{id}: {code:?}"));
    }
    let after = &entries[cancelled..];
    if after
        .iter()
        .any(|entry| entry.record == "started" && !entry.of.as_ref().is_some_and(|of| of.starts_with(UNDOING)))
    {
        world.broken("a cancelled body goes no further", id.to_string());
    }
    let undo = program.undo.as_deref().unwrap_or_default();
    for op in undo {
        let Op::Step(step) = op else { break };
        let is_done = after.iter().any(|entry| {
            let is_end = entry.record == "ended" || entry.record == "resolved";
            is_end && entry.of.as_ref().is_some_and(|of| of.starts_with(UNDOING) && is_of(of, step.name))
        });
        if !is_done {
            world.broken("what is cancelled is undone to the end", format!("{id}: not `{}`", step.name));
        }
        if !step.is_optional {
            break;
        }
    }
}
