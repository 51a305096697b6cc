use durable_runtime::prelude::*;

/// Asks.
#[durable_prompt]
struct Ask;

fn main() {}
