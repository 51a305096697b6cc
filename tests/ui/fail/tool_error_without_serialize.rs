use durable_runtime::prelude::*;

/// Calls.
#[durable_tool]
async fn tool(_cx: &DurableContext) -> Result<u32, std::num::ParseIntError> {
    "1".parse()
}

fn main() {}
