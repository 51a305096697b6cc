use durable_runtime::testing::durable_test;

#[durable_test]
async fn pays() {}

fn main() {}
