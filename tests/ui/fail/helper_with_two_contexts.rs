use durable_runtime::prelude::*;

#[durable]
async fn helper(cx: &DurableContext, again: &DurableContext) -> u32 {
    1
}

fn main() {}
