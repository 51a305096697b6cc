//! The read-only tool of the server `bench` in plain rmcp: what a call costs without this framework.

use std::io::Write as _;
use std::sync::Arc;

use clap::Parser;
use rmcp::handler::server::wrapper::Parameters;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{Json, ServerHandler, ServiceExt as _, tool, tool_handler, tool_router};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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

#[derive(Clone, Debug)]
struct Plain;

#[tool_router]
impl Plain {
    /// Answers without an effect.
    #[tool(annotations(read_only_hint = true))]
    async fn read_only(&self, Parameters(arguments): Parameters<Arguments>) -> Json<Done> {
        Json(Done { status: "success", text: format!("{} 5", arguments.name) })
    }
}

#[tool_handler]
impl ServerHandler for Plain {}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let flags = Flags::parse();
    if flags.stdio {
        Plain.serve(rmcp::transport::stdio()).await?.waiting().await?;
        return Ok(());
    }
    let service = StreamableHttpService::new(
        || Ok(Plain),
        Arc::new(LocalSessionManager::default()),
        StreamableHttpServerConfig::default(),
    );
    let router = axum::Router::new().nest_service("/mcp", service);
    let listener = tokio::net::TcpListener::bind(&flags.listen).await?;
    let mut stdout = std::io::stdout();
    writeln!(stdout, "listening on http://{}/mcp", listener.local_addr()?)?;
    stdout.flush()?;
    axum::serve(listener, router).with_graceful_shutdown(async { drop(tokio::signal::ctrl_c().await) }).await?;
    Ok(())
}
