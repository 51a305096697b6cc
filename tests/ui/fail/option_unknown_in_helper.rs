use durable_runtime::prelude::*;

#[durable(nmae = "help")]
async fn helper(_cx: &DurableContext) -> u32 {
    1
}

fn main() {}
