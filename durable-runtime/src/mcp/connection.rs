//! What is kept of the one client over standard input and output. Over HTTP it is the session that knows these things.

use std::collections::HashMap;

use parking_lot::Mutex;
use rmcp::model::RequestId;

use super::announcement::Subscribed;
use super::delivery::Deliveries;
use crate::id::InvocationId;
use crate::notice::LogLevel;

pub(super) struct Connection {
    /// The calls that are not answered yet.
    pub(super) calls: Mutex<HashMap<RequestId, InvocationId>>,
    /// The answers to them that are followed until they are written.
    pub(super) deliveries: Deliveries,
    /// The least severe messages that the client wants.
    pub(super) log_level: Mutex<LogLevel>,
    /// The resources that it wants to hear of.
    pub(super) subscribed: Subscribed,
}

impl Default for Connection {
    fn default() -> Self {
        Self {
            calls: Mutex::default(),
            deliveries: Deliveries::default(),
            log_level: Mutex::new(LogLevel::Info),
            subscribed: Subscribed::default(),
        }
    }
}
