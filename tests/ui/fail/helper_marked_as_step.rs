use durable_runtime::prelude::*;

#[durable]
#[once(at_least)]
async fn helper(_cx: &DurableContext) -> u32 {
    1
}

fn main() {}
