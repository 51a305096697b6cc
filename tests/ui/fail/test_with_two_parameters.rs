use durable_runtime::testing::{TestRun, durable_test};

#[durable_test]
async fn pays(_run: TestRun, _times: u32) {}

fn main() {}
