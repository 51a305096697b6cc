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
