//! Every form of a test.

use durable_runtime as durable;
use durable_runtime::prelude::Error;
use durable_runtime::testing::{TestRun, durable_test};

#[durable_test]
async fn undisturbed(_run: TestRun) {}

/// With a comment, and an attribute.
#[durable_test(crash = every_point, in_doubt(charge, "the name of a step", r#final))]
#[should_panic(expected = "no commit")]
async fn with_crashes(_run: TestRun) {}

#[durable_test(crate = durable)]
async fn that_may_fail(run: TestRun) -> Result<(), Error> {
    let run: durable::testing::TestRun = run;
    drop(run);
    Ok(())
}

#[test]
fn is_accepted() {
    undisturbed();
    that_may_fail();
}
