//! What a tool may say of calls that are made again, and of the time they have.

use durable_runtime::prelude::*;
use schemars::JsonSchema;
use serde::Deserialize;

async fn charge(_: &StepContext, _: u32) -> Result<(), ToolError> {
    Ok(())
}

/// Pays an order.
#[durable_tool(idempotency = "order_id", rename_all = "camelCase", timeout = "10m")]
async fn pay(cx: &DurableContext, order_id: u32, r#type: Option<u32>) -> Result<(), ToolError> {
    #[once(at_most)]
    charge(cx, order_id + r#type.unwrap_or(0)).await?;
    Ok(())
}

/// Pays, and is the same call with the same arguments.
#[durable_tool(idempotency = "args", idempotent)]
async fn pay_all(cx: &DurableContext, r#type: u32) -> Result<(), ToolError> {
    #[once(at_most)]
    charge(cx, r#type).await?;
    Ok(())
}

/// Makes keys of a raw identifier.
#[durable_tool(idempotency = "type")]
async fn pay_type(cx: &DurableContext, r#type: u32) -> Result<(), ToolError> {
    let (_, _) = (cx, r#type);
    Ok(())
}

/// Sets something to a value.
#[durable_tool(idempotent, timeout = "1h 30m")]
async fn set(cx: &DurableContext, value: u32) -> Result<(), ToolError> {
    #[once(at_least)]
    charge(cx, value).await?;
    Ok(())
}

#[derive(Deserialize, JsonSchema)]
struct Order {
    id: u32,
}

/// Pays an order of one type.
#[durable_tool(idempotency = "id")]
async fn pay_order(cx: &DurableContext, #[args] order: Order) -> Result<(), ToolError> {
    #[once(at_most)]
    charge(cx, order.id).await?;
    Ok(())
}

/// Pays once, if the client does not hear of it and calls again.
#[durable_tool(idempotency = "undelivered")]
async fn pay_lost(cx: &DurableContext, #[arg(default = 1)] cents: u32) -> Result<(), ToolError> {
    #[once(at_most)]
    charge(cx, cents).await?;
    Ok(())
}

#[test]
fn is_accepted() {
    let _ = tools![pay, pay_all, pay_type, set, pay_order, pay_lost];
}
