//! The read-only tool of the server `bench` in plain rmcp: what a call costs without this framework.

use std::io::Write as _;
use std::sync::Arc;

use axum::serve::ListenerExt as _;
use clap::Parser;
use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::handler::server::wrapper::Parameters;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{Json, ServerHandler, ServiceExt as _, tool, tool_handler, tool_router};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::signal::unix::{SignalKind, signal};

/// Serves `read_only` as it is in plain rmcp.
#[derive(Debug, Parser)]
#[command(version)]
struct Flags {
    /// Address to listen on, at the path `/mcp`; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9991", conflicts_with = "stdio")]
    listen: String,

    /// Serve one client on standard input and output in place of HTTP
    #[arg(long)]
    stdio: bool,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct Arguments {
    /// A text that comes back.
    name: String,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Done {
    status: &'static str,
    text: String,
}

#[derive(Clone)]
struct Plain {
    /// Kept: without it the macro below makes a new one for each call.
    tool_router: ToolRouter<Self>,
}

#[tool_router]
impl Plain {
    /// Answers without an effect.
    #[tool(annotations(read_only_hint = true))]
    async fn read_only(&self, Parameters(arguments): Parameters<Arguments>) -> Json<Done> {
        Json(Done { status: "success", text: format!("{} 5", arguments.name) })
    }
}

#[tool_handler(router = self.tool_router)]
impl ServerHandler for Plain {}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let flags = Flags::parse();
    let plain = Plain { tool_router: Plain::tool_router() };
    if flags.stdio {
        plain.serve(rmcp::transport::stdio()).await?.waiting().await?;
        return Ok(());
    }
    let service = StreamableHttpService::new(
        move || Ok(plain.clone()),
        Arc::new(LocalSessionManager::default()),
        StreamableHttpServerConfig::default(),
    );
    let router = axum::Router::new().nest_service("/mcp", service);
    let listener = tokio::net::TcpListener::bind(&flags.listen).await?;
    let mut stdout = std::io::stdout();
    writeln!(stdout, "listening on http://{}/mcp", listener.local_addr()?)?;
    stdout.flush()?;
    // A response is written in parts, and a part would wait for the acknowledgement of the one before, 40 ms.
    let listener = listener.tap_io(|connection| drop(connection.set_nodelay(true)));
    let mut stop = signal(SignalKind::terminate())?;
    axum::serve(listener, router)
        .with_graceful_shutdown(async move {
            stop.recv().await;
        })
        .await?;
    Ok(())
}
