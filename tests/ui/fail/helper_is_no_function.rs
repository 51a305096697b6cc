use durable_runtime::prelude::*;

#[durable]
struct Helper;

fn main() {}
