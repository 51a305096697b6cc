use durable_runtime::testing::{TestRun, durable_test};

#[durable_test(crash = every_point, in_doubt())]
async fn pays(_run: TestRun) {}

fn main() {}
