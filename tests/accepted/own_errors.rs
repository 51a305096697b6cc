//! Steps and tools with error types of their own.

#![deny(warnings)]

use durable_runtime::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

#[derive(Debug, Serialize, Deserialize)]
enum ChargeError {
    Network(String),
    Busy(u32),
    Declined,
    TimedOut(StepTimedOut),
    InDoubt(AtMostOnceFailedBeforeCompleting),
}

impl fmt::Display for ChargeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

impl From<StepTimedOut> for ChargeError {
    fn from(timed_out: StepTimedOut) -> Self {
        Self::TimedOut(timed_out)
    }
}

impl From<AtMostOnceFailedBeforeCompleting> for ChargeError {
    fn from(in_doubt: AtMostOnceFailedBeforeCompleting) -> Self {
        Self::InDoubt(in_doubt)
    }
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Receipt {
    cents: u32,
}

async fn charge(cx: &StepContext, cents: u32) -> Result<Receipt, ChargeError> {
    match cx.attempt() {
        1 => Err(ChargeError::Network("reset".into())),
        2 => Err(ChargeError::Busy(1)),
        3 => Err(ChargeError::Declined),
        _ => Ok(Receipt { cents }),
    }
}

/// Charges.
#[durable_tool]
async fn pay(cx: &DurableContext, cents: u32, patience: u32) -> Result<Receipt, ChargeError> {
    #[once(at_most)]
    charge(cx, cents).await?;

    #[once(at_most, name = "retried", retry_on(ChargeError::Network(_)))]
    charge(cx, cents).await?;

    #[once(
        at_most,
        name = "guarded",
        retry_on(ChargeError::Network(_) | ChargeError::Busy(..=9) if patience > 0),
        retry(unlimited, initial = "1s"),
        timeout = "30s"
    )]
    charge(cx, cents).await?;

    #[once(at_least, name = "timed", timeout = "2m", retry(attempts = unlimited))]
    charge(cx, cents).await
}

/// A step's error differs from the tool's, which `?` converts.
#[derive(Debug, Serialize)]
struct Failed(String);

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<ChargeError> for Failed {
    fn from(error: ChargeError) -> Self {
        Self(error.to_string())
    }
}

type PayResult<T> = Result<T, Failed>;

/// Charges, with an alias as its return type.
#[durable_tool]
async fn pay_converted(cx: &DurableContext, cents: u32) -> PayResult<Receipt> {
    #[once(at_least)]
    let receipt = charge(cx, cents).await?;
    Ok(receipt)
}

#[test]
fn is_accepted() {
    let _ = (pay, pay_converted);
}
