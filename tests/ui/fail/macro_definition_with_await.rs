use durable_runtime::prelude::*;

const NOTES: SortedMap<u32> = SortedMap::new("notes");

/// Calls.
#[durable_tool]
async fn tool(cx: &DurableContext) -> Result<u32, ToolError> {
    macro_rules! get {
        ($key:expr) => {
            NOTES.get(cx, $key).await?
        };
    }
    Ok(get!("a").unwrap_or(1))
}

fn main() {}
