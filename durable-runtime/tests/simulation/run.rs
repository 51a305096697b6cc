//! One run of a plan: processes, one after another, and clients that do not know of that.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use durable_runtime::prelude::*;
use durable_runtime::store::Keyspace;
use durable_runtime::{Clock, ErrorKind, Limits, LocalResult, Timestamp};
use parking_lot::Mutex;
use serde_json::json;
use tokio::time::Instant;

use crate::disk::Disk;
use crate::end;
use crate::person::interfere;
use crate::program::{Client, Fault, Plan};
use crate::tool::{self, Interpreter};
use crate::world::{Snapshot, World};

/// What a run leaves behind.
pub(crate) struct Ran {
    pub(crate) trace: Vec<u64>,
    pub(crate) log: Vec<String>,
    /// The promise that was broken first.
    pub(crate) violation: Option<String>,
}

struct SimulatedClock(Instant);

impl Clock for SimulatedClock {
    fn now(&self) -> Timestamp {
        let passed = u64::try_from(self.0.elapsed().as_millis()).expect("a short time");
        Timestamp::from_millis(1_767_225_600_000 + passed)
    }

    fn sleep_until(&self, deadline: Timestamp) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let wait = deadline.as_millis().saturating_sub(self.now().as_millis());
        Box::pin(tokio::time::sleep(Duration::from_millis(wait)))
    }
}

/// After so long everything must have come to its end.
const HORIZON: Duration = Duration::from_secs(60 * 60);

/// After so long a run that has not ended never does: while all wait, the clock jumps to this.
const PATIENCE: Duration = Duration::from_secs(24 * 60 * 60);

pub(crate) fn run(plan: &Plan) -> Ran {
    let world = Arc::new(World::new(plan));
    let ran = catch_unwind(AssertUnwindSafe(|| {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        #[cfg(tokio_unstable)]
        runtime.rng_seed(tokio::runtime::RngSeed::from_bytes(&plan.seed.to_be_bytes()));
        let runtime = runtime.enable_all().start_paused(true).build().expect("the system gives a runtime");
        runtime.block_on(async {
            if tokio::time::timeout(PATIENCE, simulate(plan, &world)).await.is_err() {
                world.broken("nothing is stuck without a reason", "something is waited for that does not come");
            }
        });
    }));
    if ran.is_err() {
        world.broken("nothing panics", "the simulation or the engine did");
    }
    Ran { trace: world.trace(), log: world.log(), violation: world.violation() }
}

/// The server that is open, if one is. Clients look at it again and again: those who wait for one thing are woken in an order
/// that tokio leaves to chance.
pub(crate) type Open = Arc<Mutex<Option<Server>>>;

async fn simulate(plan: &Plan, world: &Arc<World>) {
    let began = Instant::now();
    let disk = Disk::new(Arc::clone(world), plan.faults.clone());
    let open = Open::default();
    let mut clients = tokio::task::JoinSet::new();
    for client in &plan.clients {
        clients.spawn(call(client.clone(), Arc::clone(&open), Arc::clone(world)));
    }
    for person in &plan.people {
        let (person, open, world) = (person.clone(), Arc::clone(&open), Arc::clone(world));
        clients.spawn(async move { interfere(person, open, &world).await });
    }
    let mut are_done = false;
    for life in 1_u64.. {
        if life > 100 {
            return world.broken("a server opens", "it does not, in a hundred attempts");
        }
        let store = disk.mount();
        let alive = Arc::clone(&store.life);
        let mut limits = Limits::default();
        limits.unclean_ends = if Plan::is_plain(plan.seed) { 1000 } else { 3 };
        // What waits outside of memory is read anew, which nothing but the lock of the store's file keeps two processes from.
        limits.evict_after = if Plan::is_haunted(plan.seed) { PATIENCE } else { Duration::from_secs(5) };
        let tools = Interpreter::all(world);
        let opened = Server::builder("simulated", "0")
            .custom_store(store)
            .clock(SimulatedClock(began))
            .seed(plan.seed.wrapping_mul(1000).wrapping_add(life))
            .limits(limits)
            .tools(tools)
            .open()
            .await;
        let server = match opened {
            Ok(server) => server,
            Err(error) => {
                world.note(format!("the server does not open: {error}"));
                alive.end();
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        world.note(format!("life {life}"));
        *open.lock() = Some(server.clone());
        let ended = tokio::select! {
            biased;
            fault = alive.ended() => Some(fault),
            () = async {
                while clients.join_next().await.is_some() {}
                are_done = true;
                settle(&server, world).await;
            } => None,
        };
        let Some(fault) = ended else {
            return end::check(&server, world).await;
        };
        *open.lock() = None;
        match fault {
            Fault::Stop => server.shutdown().await,
            Fault::Zombie => {
                let zombie = server.clone();
                let life = Arc::clone(&alive);
                tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    life.end();
                    zombie.die().await;
                });
            }
            _ => server.die().await,
        }
        let pause = world.chance(|chance| chance.below(200));
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }
}

/// A client that makes one call, again and again until it has an answer, as long as it has patience.
async fn call(client: Client, open: Open, world: Arc<World>) {
    tokio::time::sleep(Duration::from_millis(client.at_ms)).await;
    let calling = ask(&client, Arc::clone(&open), &world);
    let cancelling = async {
        let Some(millis) = client.cancels_after_ms else { return std::future::pending::<()>().await };
        tokio::time::sleep(Duration::from_millis(millis)).await;
        cancel_any(open, &world).await;
        std::future::pending().await
    };
    let patience = async {
        match client.patience_ms {
            Some(millis) => tokio::time::sleep(Duration::from_millis(millis)).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        biased;
        () = calling => {}
        () = cancelling => {}
        () = patience => world.note("a client has lost its patience".into()),
    }
}

pub(crate) async fn living(open: &Open) -> Server {
    loop {
        let server = open.lock().clone();
        match server {
            Some(server) => return server,
            None => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    }
}

async fn ask(client: &Client, open: Open, world: &World) {
    let mut looks = 0;
    loop {
        let server = living(&open).await;
        let name = tool::name(client.program, &world.programs[client.program]);
        let mut call = server.call(name, json!({ "program": client.program }));
        if let Some(key) = client.key {
            call = call.idempotency_key(format!("key {key}"));
        }
        let answered = call.answering(|_, _| json!({ "action": "accept", "content": { "confirm": true } })).await;
        match answered {
            Ok(answer) => return take(world, &answer),
            Err(error) if error.kind() == ErrorKind::Retry => {
                if client.key.is_none() {
                    // Made again it would be another call.
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(error) if error.code() == "invocation_parked" => {
                if client.key.is_none() {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(500)).await;
                looks += 1;
                if looks > 20 {
                    return;
                }
            }
            // Two clients use one key for two programs.
            Err(error) if error.code() == "idempotency_key_conflict" => return,
            Err(error) => return world.broken("a call is answered, or may be made again", error.to_string()),
        }
    }
}

fn take(world: &World, answer: &LocalResult) {
    if let Some(id) = answer.invocation {
        world.acknowledged(id, &text(answer));
    }
}

pub(crate) fn text(answer: &LocalResult) -> String {
    match &answer.result {
        Ok(value) => value.to_string(),
        Err(failure) => format!("{} {} {:?}", failure.message, failure.error, failure.code),
    }
}

async fn cancel_any(open: Open, world: &World) {
    let server = living(&open).await;
    let Ok(page) = server.invocations().unfinished(None, 100).await else { return };
    if page.invocations.is_empty() {
        return;
    }
    let chosen = world.chance(|chance| chance.index(page.invocations.len()));
    let id = page.invocations[chosen].id;
    world.note(format!("cancel {id}"));
    if let Ok(answer) = server.invocations().cancel(id, "nobody wants it").await {
        take(world, &answer);
    }
}

/// Waits until nothing is under way.
async fn settle(server: &Server, world: &World) {
    let until = Instant::now() + HORIZON;
    loop {
        let durable = Snapshot::of(&world.rows);
        // What is broken already may never come to its end.
        if durable.keys(Keyspace::Unfinished).next().is_none() || world.violation().is_some() {
            return;
        }
        if Instant::now() > until {
            break;
        }
        if let Ok(page) = server.invocations().parked(None, 100).await {
            for parked in page.invocations {
                world.note(format!("at the end {} is retried", parked.id));
                if let Err(error) = server.invocations().retry(parked.id).await {
                    world.note(format!("it is refused: {}", error.code()));
                }
            }
        }
        let wait = world.chance(|chance| chance.below(2000));
        tokio::time::sleep(Duration::from_millis(1 + wait)).await;
    }
    let Ok(page) = server.invocations().unfinished(None, 100).await else { return };
    for stuck in page.invocations {
        world.broken("nothing is stuck without a reason", format!("{} is {:?}", stuck.id, stuck.state));
    }
}
