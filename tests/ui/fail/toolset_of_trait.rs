use durable_runtime::prelude::*;

struct Shop;

trait Opens {
    fn open(&self);
}

#[durable_tools]
impl Opens for Shop {
    fn open(&self) {}
}

fn main() {
    Shop.open();
}
