use durable_runtime::prelude::*;

#[durable]
async fn helper(cx: &StepContext) -> u32 {
    1
}

fn main() {}
