use durable_runtime::prelude::*;

async fn foreign() -> u32 {
    1
}

#[durable]
async fn helper(_cx: &DurableContext) -> u32 {
    foreign().await
}

fn main() {}
