use durable_runtime::prelude::*;

struct Shop;

#[durable_tools]
impl Shop {
    fn open(&self) {}
}

fn main() {
    Shop.open();
}
