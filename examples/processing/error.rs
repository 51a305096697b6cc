//! What can go wrong with a payment.

use durable_runtime::prelude::{AtMostOnceFailedBeforeCompleting, Error};
use serde::{Deserialize, Serialize};

/// Why a payment was not made, or may not have been.
///
/// It is recorded as the step's outcome, so it is a serde type; and it takes in what the framework has to say about a
/// step that runs at most once.
#[derive(Debug, Serialize, Deserialize, thiserror::Error)]
pub(crate) enum PaymentError {
    /// The service did not answer, or not so that it can be understood. The only one worth another attempt.
    #[error("{0}")]
    Network(String),
    /// The service will not make this payment.
    #[error("{0}")]
    Rejected(String),
    /// There is not enough money for it.
    #[error("{0}")]
    InsufficientFunds(String),
    /// An attempt began before a crash and has no end. Whether the payment was made, only the service knows.
    #[error(transparent)]
    InDoubt(#[from] AtMostOnceFailedBeforeCompleting),
    /// The payment was made, but its record does not fit in the table.
    #[error("The payment was made, but could not be recorded: {0}")]
    NotRecorded(String),
}

impl PaymentError {
    /// The name that tells a client which error this is.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Network(_) => "NetworkError",
            Self::Rejected(_) => "PaymentRejectedError",
            Self::InsufficientFunds(_) => "InsufficientFundsError",
            Self::InDoubt(_) => "AtMostOnceFailedBeforeCompleting",
            Self::NotRecorded(_) => "PaymentNotRecordedError",
        }
    }
}

impl From<Error> for PaymentError {
    fn from(error: Error) -> Self {
        Self::NotRecorded(error.to_string())
    }
}
