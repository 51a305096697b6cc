use durable_runtime::prelude::*;

#[durable_tools]
struct Shop;

fn main() {
    let _ = Shop;
}
