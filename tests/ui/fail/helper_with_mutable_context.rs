use durable_runtime::prelude::*;

#[durable]
async fn helper(cx: &mut DurableContext) -> u32 {
    1
}

fn main() {}
