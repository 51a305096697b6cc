use durable_runtime::prelude::*;

struct Order;

#[durable(key = order)]
async fn helper(_cx: &DurableContext, order: &Order) -> u32 {
    1
}

fn main() {}
