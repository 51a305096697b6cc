use durable_runtime::prelude::*;

struct Pending(u32);

impl Pending {
    async fn next(self) -> Result<u32, ToolError> {
        Ok(self.0)
    }
}

async fn call(_: &StepContext) -> Pending {
    Pending(1)
}

/// Calls.
#[durable_tool]
async fn tool(cx: &DurableContext) -> Result<u32, ToolError> {
    #[once(at_least)]
    let value = call(cx).await.next().await?;
    Ok(value)
}

fn main() {}
