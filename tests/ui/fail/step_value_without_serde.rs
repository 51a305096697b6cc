use durable_runtime::prelude::*;

struct Value(u32);

async fn call(_: &StepContext) -> Result<Value, ToolError> {
    Ok(Value(1))
}

/// Calls.
#[durable_tool]
async fn tool(cx: &DurableContext) -> Result<u32, ToolError> {
    #[once(at_least)]
    let value = call(cx).await?;
    Ok(value.0)
}

fn main() {}
