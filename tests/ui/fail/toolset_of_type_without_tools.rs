use durable_runtime::prelude::*;

struct Shop;

fn main() {
    let _ = Server::builder("shop", "1").tools(Shop);
}
