use durable_runtime::prelude::*;

const NOTES: SortedMap<u32> = SortedMap::new("notes");

/// Calls.
#[durable_tool]
async fn tool(cx: &DurableContext) -> Result<u32, ToolError> {
    let values = vec![NOTES.get(cx, "a").await?];
    Ok(values.len() as u32)
}

fn main() {}
