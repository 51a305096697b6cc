//! What tools tell their clients beside the result.

use std::fmt;

use serde::Serialize;
use serde_json::Value;

use crate::engine::Notice;

/// How severe a message of a tool is: the levels of syslog (RFC 5424), which the protocol uses. Later ones are more severe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LogLevel {
    /// For those who look for a mistake.
    Debug,
    /// How the work goes.
    Info,
    /// Normal, and worth being noticed.
    Notice,
    /// Something may go wrong.
    Warning,
    /// Something went wrong.
    Error,
    /// A part of the service fails.
    Critical,
    /// Somebody must act at once.
    Alert,
    /// The service cannot be used.
    Emergency,
}

impl LogLevel {
    pub(crate) const ALL: [Self; 8] = [
        Self::Debug,
        Self::Info,
        Self::Notice,
        Self::Warning,
        Self::Error,
        Self::Critical,
        Self::Alert,
        Self::Emergency,
    ];

    /// Its name in the protocol.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Notice => "notice",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Critical => "critical",
            Self::Alert => "alert",
            Self::Emergency => "emergency",
        }
    }
}

impl fmt::Display for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A message; what does not serialize is told as such, for a message is not worth a failure.
pub(crate) fn log(level: LogLevel, data: &(impl Serialize + ?Sized)) -> Notice {
    let data = serde_json::to_value(data)
        .unwrap_or_else(|error| Value::String(format!("a message that does not serialize to JSON: {error}")));
    Notice::Log { level, data }
}

/// Progress; an empty message is none.
pub(crate) fn progress(progress: f64, total: Option<f64>, message: &str) -> Notice {
    Notice::Progress { progress, total, message: Some(message.to_owned()).filter(|message| !message.is_empty()) }
}
