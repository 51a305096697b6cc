use durable_runtime::prelude::*;

/// Calls.
#[durable_tool]
async fn tool(_cx: &DurableContext) {
    drop(Ok::<u32, ToolError>(1));
}

fn main() {}
