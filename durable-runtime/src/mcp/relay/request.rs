//! Where a relayed request comes from.

use rmcp::transport::streamable_http_server::session::SessionId;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::{Error, ErrorKind};

/// What is said of a request that an owner had, and that cannot be made again by itself.
pub(in crate::mcp) fn call_lost() -> Error {
    let message = "the process that had the request has gone, and whether it had its effect is not known; make it again if a \
                   second effect does no harm";
    Error::new(ErrorKind::AskPerson, "call_lost", message)
}

/// What a relay adds to a request, so that the call that it makes is known after the owner's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Number {
    /// The number of the request in its connection.
    pub(super) number: u64,
    /// Whether an earlier owner may have had it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) again: bool,
}

/// What the handler of a relayed request learns of where it comes from.
#[cfg_attr(not(unix), expect(dead_code, reason = "there are no relays"))]
#[derive(Clone, Debug)]
pub(in crate::mcp) struct RelayedRequest {
    /// The connection, in the place of a session.
    pub(in crate::mcp) connection: SessionId,
    pub(super) number: Number,
}

impl RelayedRequest {
    /// The name under which the invocation of the request is found again.
    pub(in crate::mcp) fn name(&self) -> Uuid {
        Uuid::from_u128(self.number.number.into())
    }

    /// Whether an earlier owner of the store may have had it.
    pub(in crate::mcp) fn is_again(&self) -> bool {
        self.number.again
    }
}
