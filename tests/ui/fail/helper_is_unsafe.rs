use durable_runtime::prelude::*;

#[durable]
async unsafe fn helper(_cx: &DurableContext) -> u32 {
    1
}

fn main() {}
