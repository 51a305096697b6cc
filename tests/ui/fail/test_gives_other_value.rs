use durable_runtime::testing::{TestRun, durable_test};

#[durable_test]
async fn pays(_run: TestRun) -> u32 {
    1
}

fn main() {}
