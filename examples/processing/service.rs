//! The payment service: a simulated one, or a real one over HTTP.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use durable_runtime::prelude::StepContext;
use reqwest::{StatusCode, Url};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::PaymentError;

/// What a payment service is asked for.
#[derive(Debug, Serialize)]
pub(crate) struct Charge {
    pub(crate) amount: f64,
    pub(crate) currency: String,
    pub(crate) description: String,
}

/// Where payments are made.
#[derive(Debug)]
pub(crate) enum PaymentService {
    Simulated,
    Remote { client: reqwest::Client, url: Url },
}

/// What a payment service answers when it was paid.
#[derive(Debug, Deserialize)]
struct Paid {
    transaction_id: String,
}

impl PaymentService {
    /// Takes the service at this URL, or the simulated one.
    pub(crate) fn new(url: Option<&str>) -> anyhow::Result<Self> {
        let Some(url) = url else {
            return Ok(Self::Simulated);
        };
        let parsed = Url::parse(url).with_context(|| format!("`--payment-url {url}` is not a URL"))?;
        // The workspace's reqwest comes without TLS, which the simulated service and local stubs do not need.
        ensure!(
            parsed.scheme() == "http",
            "`--payment-url {url}` is not an http URL; to use https, give reqwest its feature `rustls` in Cargo.toml"
        );
        let client = reqwest::Client::builder()
            .timeout(Duration::from_secs(30))
            .build()
            .context("cannot set up the client of the payment service")?;
        Ok(Self::Remote { client, url: parsed })
    }

    /// Makes a payment and gives the id of its transaction.
    ///
    /// The idempotency key is the same at every attempt, so a service that honours it charges once even if the answer
    /// to an earlier attempt was lost.
    pub(crate) async fn charge(&self, cx: &StepContext, charge: &Charge) -> Result<String, PaymentError> {
        let key = cx.idempotency_key();
        match self {
            Self::Simulated => simulate(charge, cx.attempt(), key),
            Self::Remote { client, url } => {
                let request = client.post(url.clone()).header("Idempotency-Key", key.to_string()).json(charge);
                let response = request.send().await.map_err(|error| network(&error))?;
                let status = response.status();
                let body = response.text().await.map_err(|error| network(&error))?;
                understand(status, &body, charge)
            }
        }
    }
}

fn simulate(charge: &Charge, attempt: u32, key: Uuid) -> Result<String, PaymentError> {
    if !is_currency(&charge.currency) {
        return Err(PaymentError::Rejected(format!("Invalid currency: {}", charge.currency)));
    }
    if charge.amount <= 0.0 {
        return Err(PaymentError::Rejected(format!("Invalid amount: {}", charge.amount)));
    }
    if charge.amount > 100_000.0 {
        return Err(insufficient_funds(charge));
    }
    if attempt == 1 && format!("{:.2}", charge.amount).ends_with(".01") {
        return Err(PaymentError::Network("the simulated service was not reached".to_owned()));
    }
    Ok(format!("txn_{}", key.simple()))
}

fn understand(status: StatusCode, body: &str, charge: &Charge) -> Result<String, PaymentError> {
    match status {
        StatusCode::OK => serde_json::from_str(body)
            .map(|Paid { transaction_id }| transaction_id)
            .map_err(|error| PaymentError::Network(format!("the payment service's answer is not understood: {error}"))),
        StatusCode::PAYMENT_REQUIRED => Err(insufficient_funds(charge)),
        StatusCode::UNPROCESSABLE_ENTITY => {
            Err(PaymentError::Rejected("The payment service rejected the payment".to_owned()))
        }
        _ => Err(PaymentError::Network(format!("the payment service answered {status}"))),
    }
}

fn insufficient_funds(charge: &Charge) -> PaymentError {
    PaymentError::InsufficientFunds(format!("Amount {} exceeds available balance", charge.amount))
}

fn network(error: &reqwest::Error) -> PaymentError {
    PaymentError::Network(format!("the payment service was not reached: {error}"))
}

/// Whether the simulated service takes this currency.
fn is_currency(currency: &str) -> bool {
    rate_in_dollars(currency).is_some()
}

/// Gives the simulated exchange rate between two currencies, if both are known.
pub(crate) fn exchange_rate(from: &str, to: &str) -> Option<f64> {
    let rate = rate_in_dollars(from)? / rate_in_dollars(to)?;
    Some((rate * 10_000.0).round() / 10_000.0)
}

fn rate_in_dollars(currency: &str) -> Option<f64> {
    Some(match currency {
        "USD" => 1.0,
        "EUR" => 1.08,
        "GBP" => 1.27,
        "JPY" => 0.0067,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn charge(amount: f64, currency: &str) -> Charge {
        Charge { amount, currency: currency.to_owned(), description: String::new() }
    }

    fn name(result: Result<String, PaymentError>) -> &'static str {
        result.map_or_else(|error| error.name(), |_| "paid")
    }

    #[test]
    fn amount_that_ends_in_01_fails_at_the_first_attempt_only() {
        for amount in [0.01, 75.01, 99_999.01] {
            assert_eq!(name(simulate(&charge(amount, "USD"), 1, Uuid::nil())), "NetworkError");
            assert_eq!(name(simulate(&charge(amount, "USD"), 2, Uuid::nil())), "paid");
        }
        assert_eq!(name(simulate(&charge(75.0, "USD"), 1, Uuid::nil())), "paid");
        assert_eq!(name(simulate(&charge(75.1, "USD"), 1, Uuid::nil())), "paid");
    }

    #[test]
    fn unknown_currency_is_rejected_and_too_much_is_not_there() {
        for currency in ["USD", "EUR", "GBP", "JPY"] {
            assert_eq!(name(simulate(&charge(100_000.0, currency), 1, Uuid::nil())), "paid");
            assert_eq!(name(simulate(&charge(100_000.5, currency), 1, Uuid::nil())), "InsufficientFundsError");
        }
        assert_eq!(name(simulate(&charge(10.0, "XYZ"), 1, Uuid::nil())), "PaymentRejectedError");
    }

    #[test]
    fn attempts_under_one_key_give_one_transaction() {
        let key = Uuid::from_u128(7);
        let first = simulate(&charge(5.0, "EUR"), 1, key).expect("a payment of five euros is taken");
        let second = simulate(&charge(5.0, "EUR"), 2, key).expect("a payment of five euros is taken");
        assert_eq!(first, second);
    }

    #[test]
    fn answers_of_a_real_service_are_told_apart() {
        let charge = charge(5.0, "USD");
        let answer = |status: u16, body: &str| {
            let status = StatusCode::from_u16(status).expect("a status of this test is a valid one");
            name(understand(status, body, &charge))
        };
        assert_eq!(answer(200, r#"{"transaction_id":"t","more":1}"#), "paid");
        assert_eq!(answer(200, "{}"), "NetworkError");
        assert_eq!(answer(402, ""), "InsufficientFundsError");
        assert_eq!(answer(422, ""), "PaymentRejectedError");
        assert_eq!(answer(500, ""), "NetworkError");
        assert_eq!(answer(404, ""), "NetworkError");
    }

    #[test]
    fn rates_go_both_ways() {
        assert_eq!(exchange_rate("EUR", "USD"), Some(1.08));
        assert_eq!(exchange_rate("USD", "USD"), Some(1.0));
        assert_eq!(exchange_rate("USD", "XYZ"), None);
    }
}
