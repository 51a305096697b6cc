use durable_runtime::prelude::*;

async fn call(_: &StepContext) -> Result<u32, ToolError> {
    Ok(1)
}

#[durable]
async fn helper(_cx: &DurableContext) -> u32 {
    1
}

/// Calls.
#[durable_tool]
async fn tool(cx: &DurableContext) -> Result<u32, ToolError> {
    for _ in 0..2 {
        let _ = join!(async {
            #[once(at_least)]
            call(cx).await
        });
    }
    Ok(1)
}

fn main() {}
