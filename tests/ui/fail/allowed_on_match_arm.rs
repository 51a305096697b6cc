use durable_runtime::prelude::*;

/// Allows nothing.
#[durable_tool]
async fn tool(cx: &DurableContext) -> Result<(), ToolError> {
    match 1 {
        #[allow_nondeterminism]
        _ => println!(),
    }
    let _ = cx;
    Ok(())
}

fn main() {}
