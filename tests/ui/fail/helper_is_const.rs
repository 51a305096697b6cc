use durable_runtime::prelude::*;

#[durable]
const async fn helper(_cx: &DurableContext) -> u32 {
    1
}

fn main() {}
