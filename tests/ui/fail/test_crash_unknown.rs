use durable_runtime::testing::{TestRun, durable_test};

#[durable_test(crash = sometimes)]
async fn pays(_run: TestRun) {}

fn main() {}
