use durable_runtime::prelude::*;
macro_rules! number {
    () => {
        4
    };
}

/// Calls a macro of its own.
#[durable_tool]
async fn tool(cx: &DurableContext) -> Result<(), ToolError> {
    let number = number!();
    let _ = number;
    let _ = cx;
    Ok(())
}

fn main() {}
