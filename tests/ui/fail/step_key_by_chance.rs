use durable_runtime::prelude::*;
use uuid::Uuid;

async fn pay(_: &StepContext) -> Result<(), ToolError> {
    Ok(())
}

/// Has a key that a replay does not find.
#[durable_tool]
async fn tool(cx: &DurableContext) -> Result<(), ToolError> {
    for _ in 0..2 {
        #[once(at_most, key = Uuid::new_v4())]
        pay(cx).await?;
    }
    let _ = cx;
    Ok(())
}

fn main() {}
