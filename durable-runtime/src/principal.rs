//! Who calls.

use std::fmt;

/// The authenticated caller of a request: a name that is the same whenever the same caller comes.
///
/// Everything that is stored for a caller is bound to it: sessions, streams, tasks, idempotency keys. To another caller they
/// do not exist. The anonymous caller is one too, with an empty name.
///
/// A server with [`ServerBuilder::authenticate`](crate::ServerBuilder::authenticate) finds it by the request's bearer token.
/// An author's own tower layer around [`Server::service`](crate::Server::service) gives it as an extension of the request:
///
/// ```
/// # use durable_runtime::Principal;
/// # fn layer(request: &mut http::Request<()>) {
/// request.extensions_mut().insert(Principal::new("ada@example.org"));
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Principal(String);

impl Principal {
    /// The caller of this name.
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// The caller's name; empty for the anonymous one.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
