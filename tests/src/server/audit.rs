//! Tools whose calls are audited.

use durable_runtime::prelude::*;
use durable_runtime::{AuditPage, AuditQuery};

use crate::steps::{ChargeError, Receipt, receipt};
use crate::witness::held_body;

const CHARGES: AuditLog = AuditLog::new("charges");

/// One step, and an entry of its own. It can be held in its step, and at `end` before its end is durable.
#[audit("charges")]
#[durable_tool]
pub(crate) async fn audited(cx: &DurableContext, label: String) -> Result<Receipt, ChargeError> {
    noted(cx, &label).await.map_err(|error| ChargeError::Witness(error.to_string()))?;
    #[once(at_least, name = "charge")]
    let receipt = receipt(cx, &label).await?;
    held_body("end")?;
    Ok(receipt)
}

#[durable]
async fn noted(cx: &DurableContext, label: &str) -> Result<(), Error> {
    cx.audit("charges", &serde_json::json!({ "begun": label })).await
}

/// Gives all entries of `audited`, oldest first.
#[durable_tool(read_only)]
pub(crate) async fn charges(cx: &ReadContext) -> Result<AuditPage, Error> {
    CHARGES.query(cx, AuditQuery { begin: Some(0), limit: 1000, ..AuditQuery::default() }).await
}
