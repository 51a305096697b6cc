use durable_runtime::prelude::*;

async fn call(_: &StepContext, number: u32) -> Result<u32, ToolError> {
    Ok(number)
}

/// Calls.
#[durable_tool]
async fn tool(cx: &DurableContext) -> Result<u32, ToolError> {
    'rounds: for number in 0..3 {
        #[once(at_least, key = number)]
        call(cx, if number == 1 { continue 'rounds } else { number }).await?;
    }
    Ok(1)
}

fn main() {}
