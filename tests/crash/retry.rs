//! A process is killed while a step waits for its next attempt.

use durable_tests::{Client, Effect, Fixture, Revision};
use serde_json::json;

use crate::{KEY, commits, commits_reach, fixture};

/// Makes a call whose first attempt fails, and kills the server when the failure is durable.
async fn kill_in_backoff(fixture: &Fixture, tool: &'static str) {
    let server = fixture.start(&[]);
    // The session is a commit too.
    let caller = Client::http(server.url(), Revision::November2025).await;
    let before = commits(&server).await;
    let call = tokio::spawn(async move { caller.call_keyed(tool, &json!({ "failures": 1 }), KEY).await });
    // The admission, and the first attempt's failure.
    commits_reach(&server, before + 2).await;
    server.kill();
    call.abort();
    assert_eq!(fixture.seen(), ["flaky 1"]);
}

async fn assert_goes_on_with_the_second_attempt(fixture: &Fixture, tool: &str) {
    let server = fixture.start(&[]);
    fixture.effects_reach(2).await;
    let client = Client::http(server.url(), Revision::November2025).await;
    let receipt = client.value_keyed(tool, &json!({ "failures": 1 }), KEY).await;
    assert_eq!(receipt["attempt"], 2);
    let effects = fixture.effects();
    let [first, second]: [Effect; 2] = effects.try_into().expect("two attempts are made");
    assert_eq!((first.attempt, second.attempt), (1, 2));
    assert_eq!(first.invocation, second.invocation);
    let waited = second.at - first.at;
    assert!(waited >= 2000, "the second attempt was made after {waited} ms");
}

#[tokio::test]
async fn attempts_are_counted_and_not_made_before_their_time_over_a_crash_in_backoff() {
    let fixture = fixture();
    kill_in_backoff(&fixture, "flaky").await;
    assert_goes_on_with_the_second_attempt(&fixture, "flaky").await;
}

#[tokio::test]
async fn at_most_once_step_that_failed_is_not_in_doubt_after_a_crash_in_backoff() {
    let fixture = fixture();
    kill_in_backoff(&fixture, "flaky_charge").await;
    assert_goes_on_with_the_second_attempt(&fixture, "flaky_charge").await;
}
