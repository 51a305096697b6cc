use durable_runtime::prelude::*;

/// Allows what is allowed.
#[durable_tool(read_only)]
async fn tool(cx: &ReadContext) -> Result<(), ToolError> {
    #[allow_nondeterminism]
    let now = std::time::Instant::now();
    let _ = now;
    let _ = cx;
    Ok(())
}

fn main() {}
