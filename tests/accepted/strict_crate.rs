//! A crate that denies what strict crates deny: nothing that the macros write sets a lint off.

#![deny(missing_docs, missing_debug_implementations, unreachable_pub, unused_qualifications)]
#![deny(rust_2018_idioms)]
#![deny(warnings)]
#![forbid(unsafe_code)]

use durable_runtime::prelude::*;

/// The table of greetings.
pub const GREETINGS: SortedMap<String> = SortedMap::new("greetings");

async fn greet(cx: &StepContext, name: &str) -> Result<String, ToolError> {
    let greeting = format!("hello, {name} ({})", cx.attempt());
    GREETINGS.insert(cx, [(name, greeting.clone())]).await?;
    Ok(greeting)
}

/// Greets.
#[durable_tool]
pub async fn greet_someone(
    cx: &DurableContext,
    /// Who is greeted.
    name: String,
    #[arg(default = "en")] language: String,
    #[arg(default = 3)] times: u32,
    #[arg(default = Vec::new())] others: Vec<String>,
    nickname: Option<String>,
) -> Result<String, ToolError> {
    #[once(at_least, retry(attempts = 5, initial = "100ms", factor = 2.0, max = "10s", jitter = 0.1), timeout = "30s")]
    let greeting = greet(cx, &name).await?;
    for other in &others {
        #[once(at_most, name = "greet_other", key = other)]
        greet(cx, other).await?;
    }
    Ok(format!("{greeting} {language} {times} {nickname:?}"))
}

/// Looks a greeting up.
#[durable_tool(read_only, title = "Look up", name = "greetings.get")]
async fn look_up(cx: &ReadContext, name: String) -> Result<Option<String>, ToolError> {
    Ok(GREETINGS.get(cx, name).await?)
}

#[test]
fn is_accepted() {
    let _ = (greet_someone, look_up);
}
