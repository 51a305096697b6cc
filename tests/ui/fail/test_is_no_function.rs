use durable_runtime::testing::durable_test;

#[durable_test]
struct Pays;

fn main() {}
