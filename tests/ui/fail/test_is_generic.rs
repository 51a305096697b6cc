use durable_runtime::testing::{TestRun, durable_test};

#[durable_test]
async fn pays<T>(_run: TestRun) {}

fn main() {}
