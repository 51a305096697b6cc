use durable_runtime::prelude::*;

/// Allows in an item what is allowed there.
#[durable_tool]
async fn tool(cx: &DurableContext) -> Result<(), ToolError> {
    fn now() {
        #[allow_nondeterminism]
        let now = std::time::Instant::now();
        let _ = now;
    }
    now();
    let _ = cx;
    Ok(())
}

fn main() {}
