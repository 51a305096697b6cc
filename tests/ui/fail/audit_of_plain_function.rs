use durable_runtime::prelude::*;

#[audit("users")]
async fn lonely(name: &str) -> usize {
    name.len()
}

fn main() {
    let _ = lonely("ada");
}
