//! What can go wrong with the services.

use durable_runtime::prelude::AtMostOnceFailedBeforeCompleting;
use serde::{Deserialize, Serialize};

/// Why a service gave no answer, or may have given one that was lost.
///
/// It is recorded as the step's outcome, so it is a serde type; and it takes in what the framework has to say about a
/// step that runs at most once.
#[derive(Debug, Serialize, Deserialize, thiserror::Error)]
pub(crate) enum ServiceError {
    /// The service was not reached. The only one worth another attempt.
    #[error("{0}")]
    Network(String),
    /// The service cannot read this document.
    #[error("{0}")]
    InvalidDocument(String),
    /// The service has done enough for today.
    #[error("{0}")]
    QuotaExceeded(String),
    /// An attempt began before a crash and has no end. Whether the service did its work, only the service knows.
    #[error(transparent)]
    InDoubt(#[from] AtMostOnceFailedBeforeCompleting),
}

impl ServiceError {
    /// Whether another attempt may help.
    pub(crate) fn is_retryable(&self) -> bool {
        matches!(self, Self::Network(_))
    }
}
