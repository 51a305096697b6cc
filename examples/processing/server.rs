//! A payment that is made at most once, whatever happens to the server meanwhile.

use std::{process::ExitCode, sync::OnceLock};

use anyhow::anyhow;
use clap::Parser;
use durable_examples::{flags::ServerFlags, server, witness::effect};
use durable_runtime::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    error::PaymentError,
    service::{Charge, PaymentService, exchange_rate},
};

mod error;
mod service;

const PAYMENTS: SortedMap<Payment> = SortedMap::new("payments");

static SERVICE: OnceLock<PaymentService> = OnceLock::new();

/// A row of the table `payments`.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Payment {
    transaction_id: String,
    amount: f64,
    currency: String,
    description: String,
    status: PaymentStatus,
}

/// What `process_payment` tells of a payment.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Receipt {
    transaction_id: String,
    amount: f64,
    currency: String,
    status: PaymentStatus,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum PaymentStatus {
    Completed,
}

/// Makes a payment, at most once, and keeps a record of it.
///
/// Only when the payment service cannot be reached is the payment tried again, under the same idempotency key.
#[durable_tool]
async fn process_payment(
    cx: &DurableContext,
    /// How much to pay.
    amount: f64,
    /// The currency to pay in: USD, EUR, GBP or JPY.
    #[arg(default = "USD")]
    currency: String,
    /// What the payment is for.
    #[arg(default = "")]
    description: String,
) -> Result<Processed, ToolError> {
    let charge = Charge { amount, currency, description };

    #[once(at_most, retry(attempts = 3, initial = "200ms"), retry_on(PaymentError::Network(_)))]
    let paid = pay(cx, &charge).await;

    Ok(match paid {
        Ok(payment) => Processed::Success { payment },
        Err(error) => Processed::from(error),
    })
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(tag = "status", rename_all = "snake_case")]
#[schemars(extend("type" = "object"))]
enum Processed {
    Success { payment: Receipt },
    Error { error_type: String, message: String, retryable: bool },
}

impl From<PaymentError> for Processed {
    fn from(error: PaymentError) -> Self {
        let (error_type, message) = match &error {
            PaymentError::Network(_) => ("network_error", "Payment service temporarily unavailable".to_owned()),
            PaymentError::InDoubt(_) => (
                "payment_failed",
                "A previous attempt never finished; ask the payment service whether it was made".to_owned(),
            ),
            PaymentError::Rejected(_) | PaymentError::InsufficientFunds(_) | PaymentError::NotRecorded(_) => {
                (error.name(), error.to_string())
            }
        };
        let retryable = matches!(error, PaymentError::Network(_));
        Self::Error { error_type: error_type.to_owned(), message, retryable }
    }
}

async fn pay(cx: &StepContext, charge: &Charge) -> Result<Receipt, PaymentError> {
    let service = SERVICE.get().expect("the service is set before the server opens");
    let transaction_id = effect(cx, service.charge(cx, charge))
        .await
        .inspect_err(|error| tracing::warn!(%error, attempt = cx.attempt(), "{}", error.name()))?;
    // The record joins the step's commit: it is there if and only if the outcome is.
    let payment = Payment {
        transaction_id: transaction_id.clone(),
        amount: charge.amount,
        currency: charge.currency.clone(),
        description: charge.description.clone(),
        status: PaymentStatus::Completed,
    };
    PAYMENTS.insert(cx, [(transaction_id.as_str(), payment)]).await?;
    Ok(Receipt {
        transaction_id,
        amount: charge.amount,
        currency: charge.currency.clone(),
        status: PaymentStatus::Completed,
    })
}

/// Looks up the record of a payment.
#[durable_tool(read_only)]
async fn get_payment(
    cx: &ReadContext,
    /// The id that `process_payment` gave.
    transaction_id: String,
) -> Result<FoundPayment, ToolError> {
    Ok(match PAYMENTS.get(cx, &transaction_id).await? {
        Some(payment) => FoundPayment::Success { payment },
        None => FoundPayment::Error { message: "Payment not found".to_owned() },
    })
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(tag = "status", rename_all = "snake_case")]
#[schemars(extend("type" = "object"))]
enum FoundPayment {
    Success { payment: Payment },
    Error { message: String },
}

/// Fetches the exchange rate between two currencies.
#[durable_tool]
async fn fetch_exchange_rate(
    cx: &DurableContext,
    /// The currency to change: USD, EUR, GBP or JPY.
    from_currency: String,
    /// The currency to change it into: USD, EUR, GBP or JPY.
    to_currency: String,
) -> Result<Fetched, ToolError> {
    // To ask twice does no harm, so this step may run again after a crash.
    #[once(at_least)]
    let rate = fetch_rate(cx, &from_currency, &to_currency).await?;

    Ok(match rate {
        Some(rate) => Fetched::Success { data: ExchangeRate { from: from_currency, to: to_currency, rate } },
        None => Fetched::Error {
            error_type: "UnknownCurrencyError".to_owned(),
            message: format!("No exchange rate from {from_currency} to {to_currency}"),
            retryable: false,
        },
    })
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(tag = "status", rename_all = "snake_case")]
#[schemars(extend("type" = "object"))]
enum Fetched {
    Success { data: ExchangeRate },
    Error { error_type: String, message: String, retryable: bool },
}

#[derive(Debug, Serialize, JsonSchema)]
struct ExchangeRate {
    from: String,
    to: String,
    rate: f64,
}

async fn fetch_rate(cx: &StepContext, from: &str, to: &str) -> Result<Option<f64>, ToolError> {
    Ok(effect(cx, async { exchange_rate(from, to) }).await)
}

#[derive(Debug, Parser)]
#[command(name = "processing", about = "Serves the example `processing`: payments made at most once", version)]
struct Flags {
    #[command(flatten)]
    server: ServerFlags,

    /// POST payments to the service at this URL in place of the simulated one
    #[arg(long, value_name = "URL")]
    payment_url: Option<String>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let flags = Flags::parse();
    server::exit_code(run(&flags).await)
}

async fn run(flags: &Flags) -> anyhow::Result<()> {
    server::prepare(&flags.server)?;
    let service = PaymentService::new(flags.payment_url.as_deref())?;
    SERVICE.set(service).map_err(|_| anyhow!("the payment service is set already"))?;
    let processing = Server::builder("processing", env!("CARGO_PKG_VERSION"))
        .store(flags.server.store_of("processing")?)
        .instructions("Makes payments at most once, looks them up, and tells exchange rates.")
        .tool(process_payment)
        .tool(get_payment)
        .tool(fetch_exchange_rate);
    server::serve(processing, &flags.server).await
}

#[cfg(test)]
mod tests;
