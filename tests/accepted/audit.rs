//! Audited tools: above and below, several logs, and entries of one's own.

#![deny(warnings)]
#![warn(clippy::pedantic)]
#![allow(clippy::unused_async)]

use durable_runtime::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Creates, audited from above.
#[audit("user_operations", redact(password))]
#[durable_tool]
async fn above(cx: &DurableContext, password: String) -> Result<usize, ToolError> {
    cx.audit("security_events", &Event { action: "above" }).await?;
    Ok(password.len())
}

/// Creates, audited from below.
#[durable_tool(title = "Below")]
#[audit("user_operations", redact(password, r#type, "card-number"))]
async fn below(_cx: &DurableContext, #[args] input: Input) -> Result<usize, ToolError> {
    Ok(input.password.len() + input.r#type.len() + input.card_number.len())
}

#[audit("one")]
/// Creates, audited from everywhere.
#[durable_runtime::audit("two", redact(password))]
#[durable_runtime::durable_tool]
#[audit("three")]
#[cfg(not(any()))]
#[durable_runtime::audit("four")]
pub(crate) async fn everywhere(_cx: &DurableContext, password: String) -> Result<usize, ToolError> {
    Ok(password.len())
}

/// Reads, audited.
#[audit("reads")]
#[durable_tool(read_only)]
async fn reads(_cx: &ReadContext) -> Result<(), ToolError> {
    Ok(())
}

/// Audits in a helper and in a step.
#[durable_tool]
async fn in_parts(cx: &DurableContext) -> Result<(), ToolError> {
    helper(cx).await?;
    #[once(at_least)]
    step(cx).await
}

#[durable]
async fn helper(cx: &DurableContext) -> Result<(), Error> {
    cx.audit("security_events", &Event { action: "helper" }).await
}

async fn step(cx: &StepContext) -> Result<(), ToolError> {
    Ok(cx.audit("security_events", &Event { action: "step" }).await?)
}

#[derive(Serialize)]
struct Event {
    action: &'static str,
}

#[derive(Deserialize, JsonSchema)]
struct Input {
    password: String,
    r#type: String,
    #[serde(rename = "card-number")]
    card_number: String,
}

const LOG: AuditLog = AuditLog::new("user_operations");

#[test]
fn is_accepted() {
    let _ = Server::builder("audited", "1.0.0").tools(tools![above, below, everywhere, reads, in_parts]);
    assert_eq!(LOG.name(), "user_operations");
}
