use durable_runtime::prelude::*;

#[durable]
async extern "C" fn helper(_cx: &DurableContext) -> u32 {
    1
}

fn main() {}
