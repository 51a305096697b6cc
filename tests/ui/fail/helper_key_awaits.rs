use durable_runtime::prelude::*;

async fn id() -> u32 {
    1
}

#[durable(key = id().await)]
async fn helper(_cx: &DurableContext) -> u32 {
    1
}

fn main() {}
