use durable_runtime::prelude::*;
use std::rc::Rc;

async fn call(_: &StepContext) -> Result<u32, ToolError> {
    Ok(1)
}

/// Calls.
#[durable_tool]
async fn tool(cx: &DurableContext) -> Result<u32, ToolError> {
    #[once(at_least, name = "shared")]
    let value = async {
        let shared = Rc::new(1);
        let value = call(cx).await?;
        Ok::<u32, ToolError>(value + *shared)
    }
    .await?;
    Ok(value)
}

fn main() {}
