//! Streamable HTTP: one path for both revisions of the protocol.

mod body;
mod gate;
mod options;

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::serve::ListenerExt as _;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use tokio::net::{TcpListener, ToSocketAddrs};
use tokio_util::sync::CancellationToken;

use self::gate::Gate;
pub(super) use self::options::Options;
use super::handler::Handler;
use super::server::Server;
use super::signal::{StopSignal, failed};
use crate::error::{Error, ErrorKind};

/// How long answers may take to be written when the server stops, before connections are cut.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The service behind a path of a router. `cut` ends its sessions and streams.
fn service(server: &Server, cut: &CancellationToken) -> Gate {
    let handler = Handler::new(server.clone(), "http");
    let parts = &server.parts;
    let mut config = StreamableHttpServerConfig::default()
        // In the new revision an answer alone is no stream: nobody can come back to one, and its end would be a write of its own.
        .with_json_response(true)
        .with_allowed_hosts(parts.http.allowed_hosts.clone())
        .with_allowed_origins(parts.http.allowed_origins.clone())
        .enforce_origin_validation()
        .with_cancellation_token(cut.clone());
    let sessions = parts.sessions.clone();
    config.session_store = Some(Arc::new(sessions.clone()));
    let service = StreamableHttpService::new(move || Ok(handler.clone()), Arc::new(sessions), config);
    Gate::new(server, service)
}

impl Server {
    /// Binds an address for Streamable HTTP, at the path `/mcp`.
    ///
    /// # Errors
    ///
    /// `address_unavailable`, when the address cannot be bound.
    pub async fn listen(&self, address: impl ToSocketAddrs + fmt::Debug) -> Result<Listening, Error> {
        Listening::bind(self.clone(), address).await
    }

    /// Serves Streamable HTTP at the path `/mcp` of this address, until Ctrl-C or SIGTERM; then stops.
    ///
    /// # Errors
    ///
    /// As [`listen`](Self::listen).
    pub async fn serve_http(&self, address: impl ToSocketAddrs + fmt::Debug) -> Result<(), Error> {
        self.listen(address).await?.serve().await
    }

    /// The server as a tower service (an [`axum::Router`]), for a router of one's own.
    ///
    /// ```
    /// # use durable_runtime::prelude::*;
    /// # fn mount(server: &Server) -> axum::Router {
    /// axum::Router::new().nest_service("/mcp", server.service())
    /// # }
    /// ```
    ///
    /// Serve it on connections with `TCP_NODELAY` set ([`axum::serve::ListenerExt`]), or each answer waits some 40 ms for the
    /// client's delayed acknowledgement. Call [`shutdown`](Self::shutdown) when that router has stopped.
    pub fn service(&self) -> axum::Router {
        axum::Router::new().fallback_service(service(self, &tokio_util::sync::CancellationToken::new()))
    }
}

/// A server with a bound address, not yet serving.
pub struct Listening {
    server: Server,
    listener: TcpListener,
    address: SocketAddr,
    signal: StopSignal,
}

impl fmt::Debug for Listening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listening").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Listening {
    pub(super) async fn bind(server: Server, address: impl ToSocketAddrs + fmt::Debug) -> Result<Self, Error> {
        let shown = format!("{address:?}").replace('"', "");
        let unavailable = |error: io::Error| {
            Error::new(
                ErrorKind::AskPerson,
                "address_unavailable",
                match error.kind() {
                    io::ErrorKind::AddrInUse => {
                        format!("the address `{shown}` is in use; stop what uses it, or choose another one")
                    }
                    _ => {
                        format!("cannot listen on the address `{shown}`; give one of this machine, as `127.0.0.1:9991`")
                    }
                },
            )
            .with_source(error)
        };
        let listener = TcpListener::bind(&address).await.map_err(unavailable)?;
        let address = listener.local_addr().map_err(unavailable)?;
        // Whoever is told where it listens may ask it to stop at once.
        Ok(Self { server, listener, address, signal: StopSignal::new()? })
    }

    /// The bound address; its port is the one that the system chose if 0 was asked for.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// The URL that clients connect to.
    pub fn url(&self) -> String {
        format!("http://{}/mcp", self.address)
    }

    /// Serves until Ctrl-C or SIGTERM; then stops.
    ///
    /// # Errors
    ///
    /// `serving_failed`, when the system's signals or sockets fail.
    pub async fn serve(self) -> Result<(), Error> {
        self.serve_until(std::future::pending()).await
    }

    /// Serves until `stop` ends, Ctrl-C or SIGTERM; then stops: no more connections are taken, running attempts get the grace period, waiting
    /// clients are told that their calls are kept, and the store is closed.
    ///
    /// # Errors
    ///
    /// `serving_failed`, when the socket fails.
    pub async fn serve_until(mut self, stop: impl Future<Output = ()> + Send) -> Result<(), Error> {
        let cut = CancellationToken::new();
        let router = axum::Router::new().nest_service("/mcp", service(&self.server, &cut));
        let no_more = CancellationToken::new();
        // What is small is sent at once: an answer would wait for the client's delayed acknowledgement, 40 ms.
        let listener = self.listener.tap_io(|connection| {
            if let Err(error) = connection.set_nodelay(true) {
                tracing::debug!(%error, "a connection waits for acknowledgements");
            }
        });
        let serving = axum::serve(listener, router).with_graceful_shutdown(no_more.clone().cancelled_owned());
        let mut serving = tokio::spawn(serving.into_future());
        tokio::select! {
            ended = &mut serving => return ended.map_err(io::Error::other).flatten().map_err(failed),
            () = stop => {}
            () = self.signal.received() => {}
        }
        no_more.cancel();
        self.server.shutdown().await;
        // Calls have their answers now; streams that only listen would stay for ever.
        if tokio::time::timeout(LAST_WORDS, &mut serving).await.is_err() {
            cut.cancel();
            if tokio::time::timeout(LAST_WORDS, &mut serving).await.is_err() {
                serving.abort();
            }
        }
        Ok(())
    }
}
