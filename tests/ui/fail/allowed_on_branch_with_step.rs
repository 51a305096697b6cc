use durable_runtime::prelude::*;

async fn call(_: &StepContext) -> Result<u32, ToolError> {
    Ok(1)
}

/// Calls.
#[durable_tool]
async fn tool(cx: &DurableContext) -> Result<u32, ToolError> {
    let (one,) = join!(async {
        #[allow_nondeterminism]
        #[once(at_least)]
        call(cx).await
    });
    one
}

fn main() {}
