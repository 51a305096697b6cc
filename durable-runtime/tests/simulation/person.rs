//! People who interfere with calls, as `Server::invocations` lets them.

use std::time::Duration;

use durable_runtime::prelude::*;
use durable_runtime::{InvocationId, StepExplanation, StepOutcome, StepState};
use serde_json::json;

use crate::run::{Open, living};
use crate::trouble::{Deed, Person};
use crate::world::World;

/// How often a person looks whether there is something to do.
const LOOKS: u32 = 40;

pub(crate) async fn interfere(person: Person, open: Open, world: &World) {
    tokio::time::sleep(Duration::from_millis(person.at_ms)).await;
    for _ in 0..LOOKS {
        let server = living(&open).await;
        if let Some(id) = choose(&server, person.deed, world).await {
            return act(&server, person.deed, id, world).await;
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}

async fn choose(server: &Server, deed: Deed, world: &World) -> Option<InvocationId> {
    let mut ids: Vec<InvocationId> = Vec::new();
    let invocations = server.invocations();
    ids.extend(invocations.parked(None, 100).await.ok()?.invocations.iter().map(|parked| parked.id));
    if ids.is_empty() && deed == Deed::Fork {
        ids.extend(invocations.ended(None, 100).await.ok()?.invocations.iter().map(|ended| ended.id));
    }
    (!ids.is_empty()).then(|| ids[world.chance(|chance| chance.index(ids.len()))])
}

async fn act(server: &Server, deed: Deed, id: InvocationId, world: &World) {
    let invocations = server.invocations();
    let step = match invocations.explain(id).await {
        Ok(explained) if !explained.steps.is_empty() => {
            let chosen = &explained.steps[world.chance(|chance| chance.index(explained.steps.len()))];
            let is_open = |step: &&StepExplanation| matches!(step.state, StepState::Started(_) | StepState::Failing);
            // The outcome of most has been seen, and cannot be given.
            let open = explained.steps.iter().find(is_open).filter(|_| deed == Deed::Resolve && !is_open(&chosen));
            open.unwrap_or(chosen).step.clone()
        }
        _ => "none".into(),
    };
    world.note(format!("a person: {deed:?} {id} {step}"));
    let token = world.token();
    let outcome = StepOutcome::Value(json!({ "token": token, "read": null }));
    let done = match deed {
        Deed::Retry => invocations.retry(id).await,
        Deed::Resolve => {
            let done = invocations.resolve(id, &step, outcome).await;
            if done.is_ok() {
                world.resolved(id, &step, &token);
            }
            done
        }
        Deed::Fork => invocations.fork(id, &step).await.map(drop),
        Deed::ForkWith => invocations.fork_with(id, &step, outcome).await.map(drop),
    };
    if let Err(error) = done {
        world.note(format!("it is refused: {}", error.code()));
    }
}
