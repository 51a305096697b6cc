use durable_runtime::testing::{TestRun, durable_test};

#[durable_test(in_doubt(charge))]
async fn pays(_run: TestRun) {}

fn main() {}
