use durable_runtime::prelude::*;

/// Allows once more.
#[durable_tool]
async fn tool(cx: &DurableContext) -> Result<(), ToolError> {
    #[allow_nondeterminism]
    {
        #[allow_nondeterminism]
        let now = std::time::Instant::now();
        let _ = now;
    }
    let _ = cx;
    Ok(())
}

fn main() {}
