//! Calls that take their process down.

use durable_tests::{Client, Revision, text};
use serde_json::json;

use crate::{KEY, commits, commits_reach, fixture};

const THREE: [&str; 2] = ["--unclean-ends", "3"];

#[tokio::test]
async fn call_that_kills_its_process_is_parked_after_the_configured_number_of_deaths() {
    let fixture = fixture();
    let server = fixture.start(&THREE);
    let client = Client::http(server.url(), Revision::November2025).await;
    let call = tokio::spawn(async move { client.call_keyed("fatal", &json!({}), KEY).await });
    let status = server.end().await;
    assert!(!status.success());
    call.abort();
    for _ in 2..=3 {
        fixture.dies(&THREE).await;
    }

    let server = fixture.start(&THREE);
    let client = Client::http(server.url(), Revision::November2025).await;
    let result = client.call_keyed("fatal", &json!({}), KEY).await;
    let result = result.expect("a parked call is answered");
    assert_eq!(result.is_error, Some(true));
    assert!(text(&result).starts_with("invocation_parked: "), "{}", text(&result));
    assert!(text(&result).contains("(unclean_ends): 3 runs in a row"), "{}", text(&result));
    client.value("one_step", &json!({})).await;
    assert_eq!(fixture.seen(), ["fatal 1", "fatal 1", "fatal 1", "only 1"]);
    server.stop().await;

    let server = fixture.start(&THREE);
    let client = Client::http(server.url(), Revision::July2026).await;
    let again = client.call_keyed("fatal", &json!({}), KEY).await;
    assert_eq!(text(&again.expect("a parked call is answered")), text(&result));
}

#[tokio::test]
async fn deaths_of_the_process_are_not_counted_against_a_call_that_waits() {
    let fixture = fixture();
    let server = fixture.start(&THREE);
    let caller = Client::http(server.url(), Revision::November2025).await;
    let before = commits(&server).await;
    let call = tokio::spawn(async move { caller.call_keyed("patient", &json!({}), KEY).await });
    // The admission, and the first attempt's failure.
    commits_reach(&server, before + 2).await;
    server.kill();
    call.abort();
    for round in 2..=6 {
        let server = fixture.start(&THREE);
        let client = Client::http(server.url(), Revision::November2025).await;
        // Another call from its begin to its end: time enough for the first one to come to its wait.
        client.value("one_step", &json!({ "label": format!("round-{round}") })).await;
        server.kill();
    }
    let server = fixture.start(&THREE);
    let client = Client::http(server.url(), Revision::November2025).await;
    let waiting = tokio::spawn(async move { client.call_keyed("patient", &json!({}), KEY).await });
    let other = Client::http(server.url(), Revision::November2025).await;
    other.value("one_step", &json!({})).await;
    assert!(!waiting.is_finished(), "{:?}", waiting.await);
    assert_eq!(fixture.counts()["patient"], 1);
}
