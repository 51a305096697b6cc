//! What a server over HTTP lets in.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use super::super::builder::ServerBuilder;
use crate::principal::Principal;

type Check = dyn Fn(String) -> Pin<Box<dyn Future<Output = Option<Principal>> + Send>> + Send + Sync;

/// The author's check of bearer tokens.
pub(super) struct Authentication(pub(super) Arc<Check>);

/// Who may make requests, and of which hosts and from which pages.
pub(in crate::mcp) struct Options {
    pub(super) authentication: Option<Authentication>,
    pub(super) allowed_hosts: Vec<String>,
    pub(super) allowed_origins: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        let hosts = ["localhost", "127.0.0.1", "[::1]"];
        Self {
            authentication: None,
            allowed_hosts: ["localhost", "127.0.0.1", "::1"].map(str::to_owned).to_vec(),
            allowed_origins: hosts
                .iter()
                .flat_map(|host| [format!("http://{host}:*"), format!("https://{host}:*")])
                .collect(),
        }
    }
}

impl ServerBuilder {
    /// Lets only requests over HTTP with a bearer token (RFC 6750) in that the check knows, and gives their caller; others get
    /// 401. Without it every caller is the anonymous one, unless an author's own layer says who it is: see [`Principal`].
    ///
    /// ```
    /// # use durable_runtime::prelude::*;
    /// use durable_runtime::Principal;
    ///
    /// let builder = Server::builder("shop", "1.0.0").authenticate(|token| async move {
    ///     match token.as_str() {
    ///         "a token of ada's" => Some(Principal::new("ada")),
    ///         _ => None,
    ///     }
    /// });
    /// ```
    #[must_use]
    pub fn authenticate<F, Fut>(mut self, check: F) -> Self
    where
        F: Fn(String) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Option<Principal>> + Send + 'static,
    {
        self.http.authentication = Some(Authentication(Arc::new(move |token| Box::pin(check(token)))));
        self
    }

    /// The hosts, with or without a port, that requests may be addressed to, against DNS rebinding; in place of the
    /// loopback ones. A server that others reach by a name must list that name.
    #[must_use]
    pub fn allowed_hosts(mut self, hosts: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.http.allowed_hosts = hosts.into_iter().map(Into::into).collect();
        self
    }

    /// The origins, as `https://app.example.com:443` or with the port `*`, whose pages may send requests; in place of the
    /// loopback ones. Requests without an `Origin` are not from a page, and pass.
    #[must_use]
    pub fn allowed_origins(mut self, origins: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.http.allowed_origins = origins.into_iter().map(Into::into).collect();
        self
    }
}
