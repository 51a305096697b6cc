use durable_runtime::prelude::*;

/// Calls.
#[durable_tool]
struct Tool;

fn main() {}
