use durable_runtime::prelude::*;

#[durable]
async fn helper(cx: DurableContext) -> u32 {
    1
}

fn main() {}
