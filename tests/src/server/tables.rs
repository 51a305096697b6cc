//! Tools that write to tables, in a step and in the body.

use std::collections::BTreeMap;

use durable_runtime::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::witness::{effect, held_body};

const NOTES: SortedMap<String> = SortedMap::new("notes");
const COUNTS: SortedMap<u32> = SortedMap::new("counts");

/// What is in the tables.
#[derive(Debug, Serialize, JsonSchema)]
struct Notes {
    notes: BTreeMap<String, String>,
    count: Option<u32>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Kept {
    text: String,
}

/// Writes the text that it gives under each of these keys, in its step and before the step's effect.
#[durable_tool]
pub(crate) async fn keep_notes(cx: &DurableContext, keys: Vec<String>) -> Result<Kept, ToolError> {
    #[once(at_least)]
    keep(cx, &keys).await
}

async fn keep(cx: &StepContext, keys: &[String]) -> Result<Kept, ToolError> {
    let text = Uuid::new_v4().to_string();
    for key in keys {
        NOTES.insert(cx, [(key.clone(), text.clone())]).await?;
    }
    effect(cx, "keep").await?;
    Ok(Kept { text })
}

/// Gives all that `keep_notes` and `count_up` wrote.
#[durable_tool(read_only)]
pub(crate) async fn notes(cx: &ReadContext) -> Result<Notes, ToolError> {
    Ok(Notes { notes: NOTES.range(cx, .., 1000).await?.into_iter().collect(), count: COUNTS.get(cx, "count").await? })
}

#[derive(Debug, Serialize, JsonSchema)]
struct Counted {
    seen: Vec<u32>,
}

/// Reads a number, adds one and writes it, each time in the body. It can be held at `read-N`, `written-N`, and in a step
/// after that.
#[durable_tool]
pub(crate) async fn count_up(cx: &DurableContext, times: u32) -> Result<Counted, ToolError> {
    let mut seen = Vec::new();
    for round in 0..times {
        let count = COUNTS.get(cx, "count").await?.unwrap_or(0);
        held_body(&format!("read-{round}"))?;
        COUNTS.insert(cx, [("count", count + 1)]).await?;
        held_body(&format!("written-{round}"))?;
        let label = format!("pause-{round}");
        #[once(at_least, key = round, name = "pause")]
        effect(cx, &label).await.map_err(ToolError::from)?;
        seen.push(count);
    }
    Ok(Counted { seen })
}

/// The tables of `keep_everywhere`: three of its step, three of its transaction, one of its body.
const IN_STEP: [SortedMap<String>; 3] = [SortedMap::new("step-1"), SortedMap::new("step-2"), SortedMap::new("step-3")];
const IN_TRANSACTION: [SortedMap<String>; 3] = [SortedMap::new("tx-1"), SortedMap::new("tx-2"), SortedMap::new("tx-3")];
const IN_BODY: SortedMap<String> = SortedMap::new("body");

/// Writes three tables in a step, which fails once after that, three in a transaction, and one in its body.
#[audit("kept")]
#[durable_tool]
pub(crate) async fn keep_everywhere(cx: &DurableContext) -> Result<Kept, ToolError> {
    #[once(at_least, retry(attempts = 2, initial = "1ms", jitter = 0.0))]
    let text = keep_in_step(cx).await?;
    let written = text.clone();
    let in_transaction = cx.transaction(move |tx| {
        for table in IN_TRANSACTION {
            tx.insert(&table, [("key", written.clone())])?;
        }
        Ok::<_, ToolError>(written.clone())
    });
    let text = in_transaction.await?;
    IN_BODY.insert(cx, [("key", text.clone())]).await?;
    Ok(Kept { text })
}

async fn keep_in_step(cx: &StepContext) -> Result<String, ToolError> {
    let text = Uuid::new_v4().to_string();
    for table in IN_STEP {
        table.insert(cx, [("key", text.clone())]).await?;
    }
    effect(cx, "keep").await?;
    if cx.attempt() == 1 {
        return Err(ToolError::new("the first attempt fails, and leaves nothing"));
    }
    Ok(text)
}
