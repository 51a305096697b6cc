use durable_runtime::prelude::*;

struct Failed;

/// Fails.
#[durable_tool]
async fn tool(_cx: &DurableContext) -> Result<u32, Failed> {
    Err(Failed)
}

fn main() {}
