use durable_runtime::prelude::*;

#[durable]
async fn helper(_: &DurableContext) -> u32 {
    1
}

fn main() {}
