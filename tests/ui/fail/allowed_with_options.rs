use durable_runtime::prelude::*;

/// Says why.
#[durable_tool]
async fn tool(cx: &DurableContext) -> Result<(), ToolError> {
    #[allow_nondeterminism(reason = "a log")]
    let now = std::time::Instant::now();
    let _ = now;
    let _ = cx;
    Ok(())
}

fn main() {}
