use durable_runtime::testing::{TestRun, durable_test};

#[durable_test]
fn pays(_run: TestRun) {}

fn main() {}
