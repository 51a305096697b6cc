//! What a body may name outside of its steps, and what it may name when it says so.

#![deny(warnings)]

use durable_runtime::prelude::*;
use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;
use std::time::{Duration, Instant};
use uuid::Uuid;

static NAMES: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Functions with names like those of the machine's.
mod clock {
    pub fn now() -> u8 {
        1
    }

    pub fn sleep(_: std::time::Duration) {}
}

macro_rules! number {
    () => {
        4
    };
}

async fn pay(_: &StepContext, at: Instant, id: Uuid) -> Result<usize, ToolError> {
    NAMES.lock().unwrap().push(format!("{at:?} {id}"));
    Ok(NAMES.lock().unwrap().len())
}

/// Leaves the world to its steps.
#[durable_tool]
async fn deterministic(
    cx: &DurableContext,
    ages: HashMap<String, u8>,
    sorted: BTreeMap<String, u8>,
) -> Result<usize, ToolError> {
    #[once(at_most)]
    let paid = pay(cx, Instant::now(), Uuid::new_v4()).await?;
    clock::sleep(Duration::from_secs(clock::now().into()));
    let mut sum: u8 = sorted.values().sum();
    sum += ages.get("ada").copied().unwrap_or_default();
    if matches!(sum, 1..=9 if ages.len() > 2) {
        println!("{sum}: {}", serde_json::json!({ "ages": ages }));
    }
    Ok(paid)
}

/// Knows what it does.
#[durable_tool]
async fn allowed(cx: &DurableContext, ages: HashMap<String, u8>) -> Result<u64, ToolError> {
    #[allow_nondeterminism]
    let started = Instant::now();
    let sum: u64 = #[allow_nondeterminism]
    ages.values().copied().map(u64::from).sum();
    let mut total = 0;
    #[allow_nondeterminism]
    total += number!() + sum;
    #[durable_runtime::allow_nondeterminism]
    if started.elapsed() > Duration::ZERO {
        println!("{:?} in {}", Instant::now(), cx.invocation());
    }
    Ok(total)
}

/// Is not replayed.
#[durable_tool(read_only)]
async fn reader(_cx: &ReadContext) -> Result<u64, ToolError> {
    println!("{:?} {}", Instant::now(), Uuid::new_v4());
    Ok(number!())
}

#[test]
fn is_accepted() {
    let _ = (deterministic, allowed, reader);
}
