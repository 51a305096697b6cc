use durable_runtime::prelude::*;

async fn call(_: &StepContext, number: u32) -> Result<u32, ToolError> {
    Ok(number)
}

/// Calls.
#[durable_tool]
async fn tool(cx: &DurableContext, number: u32) -> Result<u32, ToolError> {
    'rounds: for round in 0..number {
        #[once(at_least, key = round)]
        call(cx, if round > 1 { break 'rounds } else { round }).await?;
    }
    Ok(number)
}

fn main() {}
