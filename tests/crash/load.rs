//! Many crashes of one call, and crashes of many calls.

use std::collections::HashSet;

use durable_tests::{Client, Revision, structured, text};
use serde_json::{Value, json};

use crate::{KEY, fixture};

#[tokio::test]
async fn call_that_is_killed_ten_times_repeats_no_finished_step_and_ends() {
    let fixture = fixture();
    let arguments = json!({ "count": 12 });
    for round in 0..10 {
        let side = if round / 2 % 2 == 0 { "before" } else { "after" };
        let point = format!("round-{round}.{side}");
        fixture.kill_at(&point, "rounds", &arguments, KEY).await;
        fixture.release(&point);
    }
    let server = fixture.start(&[]);
    let client = Client::http(server.url(), Revision::November2025).await;
    let result = client.value_keyed("rounds", &arguments, KEY).await;
    let counts = fixture.counts();
    for round in 0..12 {
        let count = counts.get(&format!("round-{round}")).copied().unwrap_or(0);
        let is_in_doubt = result["rounds"][round] == "in doubt";
        let was_killed_after = round < 10 && round / 2 % 2 == 1;
        let expected = match (round < 10, round % 2 == 1) {
            // At least once: made again if the kill came after the effect.
            (true, false) => (1 + usize::from(was_killed_after), false),
            // At most once: never made again.
            (true, true) => (usize::from(was_killed_after), true),
            (false, _) => (1, false),
        };
        assert_eq!((count, is_in_doubt), expected, "round {round}: {result}");
    }
}

#[tokio::test]
async fn calls_in_flight_all_end_as_their_kind_promises_after_three_crashes_under_load() {
    const CALLS: usize = 60;
    let fixture = fixture();
    let tool = |call: usize| if call.is_multiple_of(2) { "one_step" } else { "charge" };
    let label = |call: usize| json!({ "label": format!("call-{call}") });
    for kill in 1..=3 {
        let server = fixture.start(&[]);
        let mut calls = tokio::task::JoinSet::new();
        for call in 0..CALLS {
            let client = Client::http(server.url(), Revision::July2026).await;
            calls.spawn(async move { client.call_keyed(tool(call), &label(call), &call.to_string()).await });
            if fixture.effects().len() >= 15 * kill {
                break;
            }
        }
        fixture.effects_reach(15 * kill).await;
        server.kill();
        calls.abort_all();
    }

    let server = fixture.start(&[]);
    let client = Client::http(server.url(), Revision::November2025).await;
    let mut results = Vec::new();
    for call in 0..CALLS {
        let result = client.call_keyed(tool(call), &label(call), &call.to_string()).await;
        results.push(result.expect("the call is answered"));
    }
    let effects = fixture.effects();
    for (call, result) in results.iter().enumerate() {
        let own: Vec<_> = effects.iter().filter(|effect| effect.label == format!("call-{call}")).collect();
        let invocations: HashSet<_> = own.iter().map(|effect| &effect.invocation).collect();
        assert!(invocations.len() <= 1, "call {call} was executed as {invocations:?}");
        if result.is_error == Some(true) {
            assert_eq!(tool(call), "charge");
            assert!(text(result).starts_with("in doubt"), "{}", text(result));
            assert!(own.len() <= 1, "{own:?}");
        } else {
            assert!(structured(result)["number"].is_string());
            let expected = if tool(call) == "charge" { 1..=1 } else { 1..=4 };
            assert!(expected.contains(&own.len()), "{own:?}");
        }
    }
    let again: Value = client.value_keyed(tool(0), &label(0), "0").await;
    assert_eq!(again, structured(&results[0]));
}
