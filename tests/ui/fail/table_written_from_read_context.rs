use durable_runtime::prelude::*;

const NOTES: SortedMap<u32> = SortedMap::new("notes");

/// Calls.
#[durable_tool(read_only)]
async fn tool(cx: &ReadContext) -> Result<u32, ToolError> {
    NOTES.insert(cx, [("a", 1)]).await?;
    Ok(1)
}

fn main() {}
