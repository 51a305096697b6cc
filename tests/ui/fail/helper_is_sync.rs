use durable_runtime::prelude::*;

#[durable]
fn helper(cx: &DurableContext) -> u32 {
    1
}

fn main() {}
