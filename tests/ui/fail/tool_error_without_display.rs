use durable_runtime::prelude::*;

#[derive(serde::Serialize)]
struct Failed;

/// Calls.
#[durable_tool]
async fn tool(_cx: &DurableContext) -> Result<u32, Failed> {
    Err(Failed)
}

fn main() {}
