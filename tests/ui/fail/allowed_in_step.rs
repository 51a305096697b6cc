use durable_runtime::prelude::*;
use std::time::Instant;

async fn pay(_: &StepContext, _: Instant) -> Result<(), ToolError> {
    Ok(())
}

/// Allows in a step what is allowed there.
#[durable_tool]
async fn tool(cx: &DurableContext) -> Result<(), ToolError> {
    #[allow_nondeterminism]
    #[once(at_most)]
    pay(cx, Instant::now()).await?;
    let _ = cx;
    Ok(())
}

fn main() {}
