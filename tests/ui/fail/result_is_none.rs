use durable_runtime::prelude::*;

/// Calls.
#[durable_tool]
async fn tool(_cx: &DurableContext) -> Vec<u32> {
    vec![1]
}

fn main() {}
