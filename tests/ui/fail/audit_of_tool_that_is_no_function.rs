use durable_runtime::prelude::*;

/// Calls.
#[durable_tool]
#[audit("users")]
struct Tool;

fn main() {
    let _ = Tool;
}
