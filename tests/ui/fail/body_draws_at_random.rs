use durable_runtime::prelude::*;
use uuid::Uuid;

/// Draws an id by chance.
#[durable_tool]
async fn tool(cx: &DurableContext) -> Result<(), ToolError> {
    let id = Uuid::new_v4();
    let other = None.unwrap_or_else(Uuid::now_v7);
    let _ = (id, other);
    let _ = cx;
    Ok(())
}

fn main() {}
