//! Each tool of the example, with a crash at every commit.

use durable_runtime::testing::{TestRun, TestServer, durable_test};
use serde_json::{Value, json};

use super::*;

async fn open(run: &TestRun) -> TestServer {
    SERVICE.get_or_init(|| PaymentService::Simulated);
    run.server(|| {
        Server::builder("processing", "test").tool(process_payment).tool(get_payment).tool(fetch_exchange_rate)
    })
    .await
}

async fn call(server: &TestServer, tool: &str, arguments: Value) -> Value {
    server.call(tool, arguments).await.expect("the call is answered").result.expect("the tool has no error")
}

/// A payment and its record exist together or not at all, also where nobody knows whether it was made.
#[durable_test(crash = every_point, in_doubt(pay))]
async fn payment_is_made_once_and_has_a_record_or_is_in_doubt_and_has_none(run: TestRun) {
    let server = open(&run).await;
    let paid = call(&server, "process_payment", json!({ "amount": 12.5 })).await;
    let records = PAYMENTS.range(&server.store(), .., 10).await.expect("the table is read");
    if paid["status"] == "success" {
        let [(transaction_id, _)] = &records[..] else { panic!("there is one record, and not {records:?}") };
        assert_eq!(paid["payment"]["transaction_id"], transaction_id.as_str());
        let found = call(&server, "get_payment", json!({ "transaction_id": transaction_id })).await;
        assert_eq!(found["payment"]["amount"], 12.5);
    } else {
        assert_eq!((&paid["error_type"], &paid["retryable"]), (&json!("payment_failed"), &json!(false)));
        assert!(records.is_empty(), "{records:?}");
    }
}

/// The simulated service is not reached in the first attempt at such an amount.
#[durable_test(crash = every_point, in_doubt(pay))]
async fn payment_that_did_not_reach_the_service_is_tried_again_in_its_time(run: TestRun) {
    let server = open(&run).await;
    let began = run.clock().now().as_millis();
    let paid = call(&server, "process_payment", json!({ "amount": 75.01 })).await;
    if paid["status"] == "success" {
        let waited = run.clock().now().as_millis() - began;
        assert!((180..=220).contains(&waited), "{waited} ms");
    }
}

#[durable_test(crash = every_point)]
async fn exchange_rate_is_the_same_wherever_the_server_dies(run: TestRun) {
    let server = open(&run).await;
    let fetched = call(&server, "fetch_exchange_rate", json!({ "from_currency": "EUR", "to_currency": "USD" })).await;
    assert_eq!(fetched["data"]["rate"], 1.08);
}
