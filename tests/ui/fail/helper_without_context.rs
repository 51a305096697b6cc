use durable_runtime::prelude::*;

#[durable]
async fn helper(number: u32) -> u32 {
    number
}

fn main() {}
