use durable_runtime::prelude::*;

#[durable]
async fn helper(cx: &ReadContext) -> u32 {
    1
}

fn main() {}
