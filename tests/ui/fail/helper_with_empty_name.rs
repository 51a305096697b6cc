use durable_runtime::prelude::*;

#[durable(name = "")]
async fn helper(_cx: &DurableContext) -> u32 {
    1
}

fn main() {}
