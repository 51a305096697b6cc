//! Tools that derive their idempotency keys from their arguments.
#![allow(clippy::unused_async, reason = "a step is an async function, whether it waits or not")]

mod support;

use std::collections::HashSet;

use durable_runtime::ErrorKind;
use durable_runtime::prelude::*;
use durable_runtime::store::MemoryBackend;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use self::support::{effect, effects, server, server_on};

async fn charge(cx: &StepContext, run: &str) -> Result<u32, ToolError> {
    effect(run, cx);
    Ok(1)
}

/// Pays an order once.
#[durable_tool(idempotency = "order_id", rename_all = "camelCase")]
async fn pay(
    cx: &DurableContext,
    run: String,
    order_id: Value,
    #[arg(default = 1)] cents: u32,
) -> Result<u32, ToolError> {
    let (_, _) = (order_id, cents);
    #[once(at_most)]
    let attempt = charge(cx, &run).await?;
    Ok(attempt)
}

/// Sends a letter once.
#[durable_tool(idempotency = "args")]
async fn send(
    cx: &DurableContext,
    run: String,
    #[arg(default = 1)] _copies: u32,
    _note: Option<String>,
) -> Result<u32, ToolError> {
    #[once(at_most)]
    let attempt = charge(cx, &run).await?;
    Ok(attempt)
}

#[tokio::test]
async fn the_same_order_is_the_same_call_whatever_key_the_client_gives() {
    let rows = MemoryBackend::default();
    let server = server_on(rows.clone()).tool(pay).open().await.expect("a server");
    let arguments = |order: u32| json!({ "run": "pay", "orderId": { "number": order } });
    let first = server.call("pay", arguments(1)).idempotency_key("a").await.expect("an answer");
    let again = server.call("pay", arguments(1)).idempotency_key("b").await.expect("an answer");
    assert_eq!((again.invocation, again.is_replayed), (first.invocation, true));
    let without = server.call("pay", arguments(1)).await.expect("an answer");
    assert_eq!(without.invocation, first.invocation);
    // A key that is no key, for it is not looked at.
    let empty = server.call("pay", arguments(1)).idempotency_key("").await.expect("an answer");
    assert_eq!(empty.invocation, first.invocation);
    let other = server.call("pay", arguments(2)).idempotency_key("a").await.expect("an answer");
    assert_ne!(other.invocation, first.invocation);
    server.shutdown().await;
    let server = server_on(rows).tool(pay).open().await.expect("a server");
    let later = server.call("pay", arguments(1)).await.expect("an answer");
    assert_eq!((later.invocation, later.is_replayed), (first.invocation, true));
    assert_eq!(effects("pay"), ["charge 1", "charge 1"]);
}

#[tokio::test]
async fn the_same_order_with_other_arguments_is_a_conflict() {
    let server = server().tool(pay).open().await.expect("a server");
    let mut arguments = json!({ "run": "conflict", "orderId": 7 });
    let first = server.call("pay", arguments.clone()).await.expect("an answer");
    arguments["cents"] = json!(1);
    let same = server.call("pay", arguments.clone()).await.expect("an answer");
    assert_eq!(same.invocation, first.invocation, "that is the default");
    arguments["cents"] = json!(2);
    let conflict = server.call("pay", arguments).await.expect_err("a conflict");
    assert_eq!(conflict.code(), "idempotency_key_conflict");
    assert!(conflict.message().starts_with("`pay` was called before with this `orderId` and other arguments"));
    assert_eq!(effects("conflict").len(), 1);
}

#[tokio::test]
async fn the_same_arguments_are_the_same_call_with_defaults_or_without() {
    let server = server().tool(send).open().await.expect("a server");
    let mut invocations = HashSet::new();
    for arguments in [
        json!({ "run": "send" }),
        json!({ "_copies": 1, "run": "send" }),
        json!({ "run": "send", "_note": null }),
        json!({ "run": "send", "_note": null, "_copies": 1 }),
    ] {
        invocations.insert(server.call("send", arguments).await.expect("an answer").invocation);
    }
    assert_eq!((invocations.len(), effects("send").len()), (1, 1));
    for arguments in [json!({ "run": "send", "_copies": 2 }), json!({ "run": "send", "_note": "" })] {
        invocations.insert(server.call("send", arguments).await.expect("an answer").invocation);
    }
    assert_eq!((invocations.len(), effects("send").len()), (3, 3));
}

#[tokio::test]
async fn a_thousand_calls_of_one_order_at_once_are_one_execution() {
    let server = server().tool(pay).open().await.expect("a server");
    let calls: Vec<_> = (0..1000)
        .map(|number| {
            let call = server.call("pay", json!({ "run": "thousand orders", "orderId": "one" }));
            tokio::spawn(call.idempotency_key(number.to_string()).into_future())
        })
        .collect();
    let mut invocations = HashSet::new();
    for call in calls {
        let answer = call.await.expect("no panic").expect("an answer");
        assert_eq!(answer.result, Ok(json!(1)));
        invocations.insert(answer.invocation);
    }
    assert_eq!((invocations.len(), effects("thousand orders").len()), (1, 1));
}

#[tokio::test]
async fn a_key_has_the_same_length_however_long_the_argument_is() {
    let server = server().tool(pay).open().await.expect("a server");
    let call = || server.call("pay", json!({ "run": "long", "orderId": "x".repeat(10_000) }));
    let first = call().await.expect("an answer");
    assert_eq!(call().await.expect("an answer").invocation, first.invocation);
}

#[tokio::test]
async fn a_call_without_what_its_key_is_made_of_is_refused() {
    let server = server().tool(pay).open().await.expect("a server");
    for arguments in [json!({ "run": "missing" }), json!({ "run": "missing", "orderId": null })] {
        let refused = server.call("pay", arguments).await.expect_err("no key");
        assert_eq!(refused.code(), "invalid_arguments");
        assert!(refused.message().contains("`orderId`"), "{refused}");
    }
    assert!(effects("missing").is_empty());
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct NewPayment {
    order_id: u32,
    run: String,
    note: Option<String>,
}

/// Pays an order.
#[durable_tool(idempotency = "orderId")]
async fn pay_whole(cx: &DurableContext, #[args] order: NewPayment) -> Result<u32, ToolError> {
    let (_, _) = (order.order_id, &order.note);
    #[once(at_most)]
    charge(cx, &order.run).await?;
    Ok(1)
}

/// Makes its keys of a field by the name that only the program knows.
#[durable_tool(idempotency = "order_id")]
async fn unknown_field(_cx: &DurableContext, #[args] _order: NewPayment) -> Result<u32, ToolError> {
    Ok(1)
}

/// Makes its keys of what may be left out.
#[durable_tool(idempotency = "note")]
async fn optional_field(_cx: &DurableContext, #[args] _order: NewPayment) -> Result<u32, ToolError> {
    Ok(1)
}

#[tokio::test]
async fn a_field_of_one_type_with_all_arguments_is_the_key_if_every_call_has_it() {
    let server = server().tool(pay_whole).open().await.expect("a server");
    let call = || server.call("pay_whole", json!({ "orderId": 1, "run": "whole" }));
    let first = call().await.expect("an answer");
    assert_eq!(call().await.expect("an answer").invocation, first.invocation);
    for (opened, name) in [
        (support::server().tool(unknown_field).open().await, "order_id"),
        (support::server().tool(optional_field).open().await, "note"),
    ] {
        let error = opened.expect_err("not every call has it");
        assert_eq!((error.kind(), error.code()), (ErrorKind::FixProgram, "idempotency_argument_invalid"));
        assert!(error.message().contains(&format!("of `{name}`")), "{error}");
        assert!(error.message().contains("write one of `orderId`, `run`, `args` for all of them"), "{error}");
    }
}
