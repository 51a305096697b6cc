use durable_runtime::prelude::*;

#[durable]
#[durable(name = "other")]
async fn helper(_cx: &DurableContext) -> u32 {
    1
}

fn main() {}
