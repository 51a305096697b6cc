use durable_runtime::testing::{TestRun, durable_test};

#[durable_test]
#[tokio::test]
async fn pays(_run: TestRun) {}

fn main() {}
