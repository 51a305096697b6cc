//! Calls the tools of the example `processing` and checks what comes back.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser as _;
use durable_examples::{
    client::{Client, call_by_hand},
    flags::ClientFlags,
    server::exit_code,
};
use serde_json::{Value, json};

#[tokio::main]
async fn main() -> ExitCode {
    exit_code(run(&ClientFlags::parse()).await)
}

async fn run(flags: &ClientFlags) -> anyhow::Result<()> {
    let client = Client::connect(&flags.url, flags.protocol).await?;
    if call_by_hand(&client, flags).await? {
        client.close().await;
        return Ok(());
    }
    client.expect_tools(&["process_payment", "get_payment", "fetch_exchange_rate"]).await?;

    println!("A payment is made, and its record is kept in the same commit.");
    pay(&client, &json!({ "amount": 99.99, "currency": "USD", "description": "Two books" }), "Two books").await?;
    pay(&client, &json!({ "amount": 49.99 }), "").await?;

    println!("The service is not reached at first; that is worth another attempt.");
    pay(&client, &json!({ "amount": 75.01, "currency": "EUR" }), "").await?;

    println!("Errors that another attempt would not mend are final.");
    refused(&client, &json!({ "amount": 999_999.99 }), "InsufficientFundsError").await?;
    refused(&client, &json!({ "amount": 50.0, "currency": "XYZ" }), "PaymentRejectedError").await?;

    println!("A payment that was never made has no record.");
    client
        .expect(
            "get_payment",
            &json!({ "transaction_id": "txn_of_nobody" }),
            &json!({ "status": "error", "message": "Payment not found" }),
        )
        .await?;

    println!("To ask for a rate twice does no harm; that step may run again after a crash.");
    client
        .expect(
            "fetch_exchange_rate",
            &json!({ "from_currency": "EUR", "to_currency": "USD" }),
            &json!({ "status": "success", "data": { "from": "EUR", "to": "USD", "rate": 1.08 } }),
        )
        .await?;
    let unknown = client.call("fetch_exchange_rate", &json!({ "from_currency": "EUR", "to_currency": "XYZ" })).await?;
    anyhow::ensure!(unknown["status"] == "error", "there is no rate from EUR to XYZ, but got {unknown}");

    client.close().await;
    println!("All as expected.");
    Ok(())
}

/// Makes a payment that must succeed, and checks its record.
async fn pay(client: &Client, arguments: &Value, description: &str) -> anyhow::Result<()> {
    let paid = client.call("process_payment", arguments).await?;
    let transaction_id = paid["payment"]["transaction_id"].as_str();
    let transaction_id = transaction_id.with_context(|| format!("the payment has no `transaction_id`: {paid}"))?;
    let currency = arguments.get("currency").cloned().unwrap_or_else(|| "USD".into());
    let mut payment = json!({
        "transaction_id": transaction_id,
        "amount": arguments["amount"],
        "currency": currency,
        "status": "completed",
    });
    let expected = json!({ "status": "success", "payment": payment });
    anyhow::ensure!(paid == expected, "expected {expected}, but got {paid}");
    payment["description"] = description.into();
    client
        .expect(
            "get_payment",
            &json!({ "transaction_id": transaction_id }),
            &json!({ "status": "success", "payment": payment }),
        )
        .await
}

/// Makes a payment that must end with this error.
async fn refused(client: &Client, arguments: &Value, error_type: &str) -> anyhow::Result<()> {
    let answer = client.call("process_payment", arguments).await?;
    let message = &answer["message"];
    let expected = json!({ "status": "error", "error_type": error_type, "message": message, "retryable": false });
    anyhow::ensure!(message.is_string() && answer == expected, "expected {expected}, but got {answer}");
    Ok(())
}
