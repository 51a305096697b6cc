//! Tools made of steps of both kinds.

use durable_runtime::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::witness::{effect, held_body};

/// What an attempt gives: another one each time it is made.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Receipt {
    pub(crate) attempt: u32,
    pub(crate) number: String,
}

#[derive(Debug, Serialize, Deserialize, thiserror::Error)]
pub(crate) enum ChargeError {
    #[error("no network")]
    Network,
    #[error("in doubt: {0}")]
    InDoubt(AtMostOnceFailedBeforeCompleting),
    #[error("the witness fails: {0}")]
    Witness(String),
}

impl From<AtMostOnceFailedBeforeCompleting> for ChargeError {
    fn from(in_doubt: AtMostOnceFailedBeforeCompleting) -> Self {
        Self::InDoubt(in_doubt)
    }
}

impl From<std::io::Error> for ChargeError {
    fn from(error: std::io::Error) -> Self {
        Self::Witness(error.to_string())
    }
}

pub(crate) async fn receipt(cx: &StepContext, label: &str) -> Result<Receipt, ChargeError> {
    effect(cx, label).await?;
    Ok(Receipt { attempt: cx.attempt(), number: Uuid::new_v4().to_string() })
}

/// Fails as many attempts as it is told to, each after its effect.
async fn failing(cx: &StepContext, label: &str, failures: u32) -> Result<Receipt, ChargeError> {
    let receipt = receipt(cx, label).await?;
    if cx.attempt() <= failures {
        return Err(ChargeError::Network);
    }
    Ok(receipt)
}

/// Pays an order, of which there is one payment.
#[durable_tool(idempotency = "order_id", rename_all = "camelCase")]
pub(crate) async fn pay_order(cx: &DurableContext, order_id: String) -> Result<Receipt, ChargeError> {
    #[once(at_most)]
    let receipt = receipt(cx, &order_id).await?;
    Ok(receipt)
}

/// One step, at most once, for clients that know nothing of keys.
#[durable_tool(idempotency = "undelivered")]
pub(crate) async fn charge_heard(
    cx: &DurableContext,
    /// What the step is called by the witness.
    #[arg(default = "heard")]
    label: String,
) -> Result<Receipt, ChargeError> {
    #[once(at_most, name = "charge")]
    receipt(cx, &label).await
}

/// One step, at least once.
#[durable_tool]
pub(crate) async fn one_step(
    cx: &DurableContext,
    /// What the step is called by the witness.
    #[arg(default = "only")]
    label: String,
) -> Result<Receipt, ChargeError> {
    #[once(at_least)]
    receipt(cx, &label).await
}

#[derive(Debug, Serialize, JsonSchema)]
struct TwoReceipts {
    first: Receipt,
    second: Receipt,
}

/// Two steps, each at least once.
#[durable_tool]
pub(crate) async fn two_steps(cx: &DurableContext) -> Result<TwoReceipts, ChargeError> {
    #[once(at_least, name = "first")]
    let first = receipt(cx, "first").await?;
    #[once(at_least, name = "second")]
    let second = receipt(cx, "second").await?;
    Ok(TwoReceipts { first, second })
}

/// Two steps, which go on without their client.
#[durable_tool(on_disconnect = "detach")]
pub(crate) async fn two_steps_alone(cx: &DurableContext) -> Result<TwoReceipts, ChargeError> {
    #[once(at_least, name = "first")]
    let first = receipt(cx, "first").await?;
    #[once(at_least, name = "second")]
    let second = receipt(cx, "second").await?;
    Ok(TwoReceipts { first, second })
}

/// One step, at most once; its error is the tool's.
#[durable_tool]
pub(crate) async fn charge(
    cx: &DurableContext,
    /// What the step is called by the witness.
    #[arg(default = "charge")]
    label: String,
) -> Result<Receipt, ChargeError> {
    #[once(at_most, name = "charge")]
    receipt(cx, &label).await
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(tag = "status", rename_all = "snake_case")]
#[schemars(extend("type" = "object"))]
enum Told {
    Charged { number: String },
    InDoubt { step: String, attempt: u32 },
}

/// One step at most once, and one at least once that follows it however it ended.
#[durable_tool]
pub(crate) async fn charge_and_tell(cx: &DurableContext) -> Result<Told, ChargeError> {
    #[once(at_most, name = "charge")]
    let charged = receipt(cx, "charge").await;
    #[once(at_least, name = "tell")]
    receipt(cx, "tell").await?;
    told(charged)
}

fn told(charged: Result<Receipt, ChargeError>) -> Result<Told, ChargeError> {
    match charged {
        Ok(receipt) => Ok(Told::Charged { number: receipt.number }),
        Err(ChargeError::InDoubt(AtMostOnceFailedBeforeCompleting { step, attempt, .. })) => {
            Ok(Told::InDoubt { step, attempt })
        }
        Err(error) => Err(error),
    }
}

/// One step at most once, whose outcome the body has in hand for as long as the point `body` is held.
#[durable_tool]
pub(crate) async fn charge_seen_by_body(cx: &DurableContext) -> Result<Told, ChargeError> {
    #[once(at_most, name = "charge")]
    let charged = receipt(cx, "charge").await;
    held_body("body")?;
    told(charged)
}

/// A step at least once that fails at first, with two seconds between its attempts.
#[durable_tool]
pub(crate) async fn flaky(cx: &DurableContext, failures: u32) -> Result<Receipt, ChargeError> {
    #[once(at_least, retry(attempts = 5, initial = "2s", factor = 1.0, jitter = 0.0))]
    failing(cx, "flaky", failures).await
}

/// A step at most once that fails at first with an error after which it may be tried again, in two seconds.
#[durable_tool]
pub(crate) async fn flaky_charge(cx: &DurableContext, failures: u32) -> Result<Receipt, ChargeError> {
    #[once(at_most, retry(attempts = 5, initial = "2s", factor = 1.0, jitter = 0.0), retry_on(ChargeError::Network))]
    failing(cx, "flaky", failures).await
}

/// A step that fails and is tried again in an hour.
#[durable_tool]
pub(crate) async fn patient(cx: &DurableContext) -> Result<Receipt, ChargeError> {
    #[once(at_least, retry(attempts = 2, initial = "1h", max = "1h"))]
    failing(cx, "patient", 1).await
}

#[derive(Debug, Serialize, JsonSchema)]
struct Rounds {
    rounds: Vec<String>,
}

/// Many steps, of either kind in turn.
#[durable_tool]
pub(crate) async fn rounds(cx: &DurableContext, count: u32) -> Result<Rounds, ChargeError> {
    let mut rounds = Vec::new();
    for round in 0..count {
        let label = format!("round-{round}");
        let outcome = if round % 2 == 0 {
            #[once(at_least, name = "at_least", key = round)]
            receipt(cx, &label).await
        } else {
            #[once(at_most, name = "at_most", key = round)]
            receipt(cx, &label).await
        };
        rounds.push(match outcome {
            Ok(receipt) => receipt.number,
            Err(ChargeError::InDoubt(_)) => "in doubt".to_owned(),
            Err(error) => return Err(error),
        });
    }
    Ok(Rounds { rounds })
}

/// Takes the whole process down with it, in its step.
#[durable_tool]
pub(crate) async fn fatal(cx: &DurableContext) -> Result<Receipt, ChargeError> {
    #[once(at_least, name = "fatal")]
    abort_after(receipt(cx, "fatal")).await
}

async fn abort_after(effect: impl Future<Output = Result<Receipt, ChargeError>>) -> Result<Receipt, ChargeError> {
    effect.await?;
    std::process::abort()
}

/// Two steps that are undone when the call is cancelled.
#[durable_tool(on_cancel = undo)]
pub(crate) async fn undoable(
    cx: &DurableContext,
    #[arg(default = "ada")] who: String,
) -> Result<TwoReceipts, ChargeError> {
    let _ = who;
    #[once(at_least, name = "first")]
    let first = receipt(cx, "first").await?;
    #[once(at_least, name = "second")]
    let second = receipt(cx, "second").await?;
    Ok(TwoReceipts { first, second })
}

#[durable]
async fn undo(cx: &DurableContext, who: &str) -> Result<(), ChargeError> {
    assert_eq!(who, "ada", "the arguments are those of the call");
    if let CancelledStep::Succeeded(Receipt { .. }) = cx.cancelled_step::<Receipt>("first") {
        #[once(at_least, name = "undo")]
        receipt(cx, "undo").await?;
    }
    let second = cx.cancelled_step::<Receipt>("second");
    assert!(matches!(second, CancelledStep::NotBegun), "nothing follows a cancellation");
    #[once(at_least, name = "tell")]
    receipt(cx, "tell").await?;
    Ok(())
}
