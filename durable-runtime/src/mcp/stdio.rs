//! One client over standard input and output.

use std::pin::Pin;

use rmcp::RoleServer;
use rmcp::service::ServiceExt;
use rmcp::transport::IntoTransport;
use tokio_util::sync::CancellationToken;

use super::handler::Handler;
use super::server::Server;
use super::signal::StopSignal;
use crate::error::{Error, ErrorKind};

/// Serves until input ends or the process is told to stop. Calls that have not ended then go on at the next start.
///
/// The future is boxed here, so that rmcp's part of it is compiled with this crate and not with each author's.
pub(super) fn serve(server: &Server) -> Pin<Box<dyn Future<Output = Result<(), Error>> + Send + '_>> {
    Box::pin(serve_client(server))
}

async fn serve_client(server: &Server) -> Result<(), Error> {
    let handler = Handler::new(server.clone(), "stdio");
    let mut signal = StopSignal::new()?;
    let cut = CancellationToken::new();
    let serving = async {
        let pipes = IntoTransport::<RoleServer, _, _>::into_transport(rmcp::transport::stdio_pipes());
        let transport = handler.connection.deliveries.clone().follow(pipes);
        match handler.serve_with_ct(transport, cut.clone()).await {
            Ok(running) => {
                let _why = running.waiting().await;
                Ok(())
            }
            Err(
                rmcp::service::ServerInitializeError::ConnectionClosed(_)
                | rmcp::service::ServerInitializeError::Cancelled,
            ) => Ok(()),
            Err(error) => Err(failed(&error.to_string())),
        }
    };
    let served = tokio::select! {
        served = serving => served,
        () = signal.received() => Ok(()),
    };
    server.shutdown().await;
    served
}

pub(super) fn failed(why: &str) -> Error {
    let message = format!("the client on standard input does not begin as the protocol says: {why}");
    Error::new(ErrorKind::FixCall, "stdio_failed", message)
}
