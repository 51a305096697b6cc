use serde_json::json;

use super::*;
use crate::chance::SystemChance;
use crate::clock::SystemClock;
use crate::context::DurableContext;
use crate::durable_tool;
use crate::engine::{Answer, Call, Limits, Surroundings};
use crate::error::ToolError;
use crate::local::LocalCall;
use crate::state::States;
use crate::store::{GroupCommit, MemoryBackend};
use crate::tool::Registry;
use crate::uuid7::Generator;

/// Adds one.
#[durable_tool(crate = crate, idempotency = "undelivered")]
async fn add(_cx: &DurableContext, to: u32, #[arg(default = 1)] more: u32) -> Result<u32, ToolError> {
    Ok(to + more)
}

async fn engine(rows: &MemoryBackend) -> Arc<Engine> {
    let store = Arc::new(GroupCommit::new(rows.clone()).expect("a thread"));
    let (clock, limits) = (Arc::new(SystemClock), Limits::default());
    let surroundings =
        Surroundings { store, clock, chance: Arc::new(SystemChance), limits, audit_keys: Generator::new() };
    let registry = Registry::build(vec![Box::new(add())], States::default()).expect("sound tools");
    let engine = Engine::new(surroundings, registry, "test".into());
    engine.recover().await.expect("a readable store");
    engine
}

async fn call_as(engine: &Arc<Engine>, who: &str, key: Option<&str>, more: u32) -> Result<InvocationId, String> {
    let call = Call {
        tool: "add".into(),
        arguments: json!({ "to": 1, "more": more }),
        principal: who.into(),
        origin: "local",
        idempotency_key: key.map(str::to_owned),
        name: None,
    };
    let submitted = engine.submit(call).await.map_err(|refusal| format!("{refusal:?}"))?;
    let id = submitted.id;
    assert!(matches!(submitted.answer().await, Answer::Ended(_)));
    Ok(id)
}

async fn call(engine: &Arc<Engine>) -> InvocationId {
    call_as(engine, "", None, 1).await.expect("admitted")
}

fn deliver(engine: &Arc<Engine>, id: InvocationId) {
    engine.delivery("add", id).expect("it is followed").written();
}

#[tokio::test]
async fn a_call_made_again_is_the_same_until_its_answer_was_delivered_and_then_another_one() {
    let engine = engine(&MemoryBackend::default()).await;
    let first = call(&engine).await;
    assert_eq!(call(&engine).await, first);
    assert_ne!(call_as(&engine, "", None, 2).await, Ok(first), "other arguments");
    assert_ne!(call_as(&engine, "ada", None, 1).await, Ok(first), "another caller");
    // At once, before it is noted.
    deliver(&engine, first);
    let second = call(&engine).await;
    assert_ne!(second, first);
    // A second client that waited for the first call has its answer too: the key is the second call's by now.
    deliver(&engine, first);
    engine.note_delivery(first).await;
    assert_eq!(call(&engine).await, second);
}

#[tokio::test]
async fn a_delivery_is_durable_with_a_clean_stop() {
    let rows = MemoryBackend::default();
    let first = engine(&rows).await;
    let id = call(&first).await;
    deliver(&first, id);
    first.stop(Duration::from_secs(10)).await;
    assert_ne!(call(&engine(&rows).await).await, id);
}

#[tokio::test]
async fn an_answer_that_was_not_delivered_is_given_by_the_next_process_too() {
    let rows = MemoryBackend::default();
    let first = engine(&rows).await;
    let id = call(&first).await;
    first.stop(Duration::from_secs(10)).await;
    assert_eq!(call(&engine(&rows).await).await, id);
}

#[tokio::test]
async fn a_key_of_the_client_is_its_own_also_when_the_answer_was_delivered() {
    let engine = engine(&MemoryBackend::default()).await;
    let keyed = call_as(&engine, "", Some("k"), 1).await.expect("admitted");
    assert_ne!(call(&engine).await, keyed);
    deliver(&engine, keyed);
    assert_eq!(call_as(&engine, "", Some("k"), 1).await, Ok(keyed));
    engine.note_delivery(keyed).await;
    assert_eq!(call_as(&engine, "", Some("k"), 1).await, Ok(keyed));
    let refused = call_as(&engine, "", Some("undelivered:x"), 1).await.expect_err("refused");
    assert!(refused.contains("idempotency_key_invalid"), "{refused}");
}

#[tokio::test]
async fn a_local_call_is_delivered_when_it_is_awaited() {
    let engine = engine(&MemoryBackend::default()).await;
    let make = async || {
        let made = LocalCall::new(Arc::clone(&engine), "add".into(), json!({ "to": 1 })).await;
        made.expect("an answer").invocation.expect("an invocation")
    };
    let lost = call(&engine).await;
    assert_eq!(make().await, lost);
    assert_ne!(make().await, lost);
}
