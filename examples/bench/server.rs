//! The server that is measured: five trivial steps of either kind, and a tool that only reads.

use std::process::ExitCode;

use clap::Parser;
use durable_examples::bench::{five_at_least, five_at_most, read_only};
use durable_examples::{flags::ServerFlags, server};
use durable_runtime::prelude::*;

/// Serves the tools that are measured.
#[derive(Debug, Parser)]
#[command(version)]
struct Flags {
    #[command(flatten)]
    server: ServerFlags,
}

async fn run() -> anyhow::Result<()> {
    let flags = Flags::parse().server;
    // A line of the log for each attempt would be measured too.
    server::prepare_with(&flags, "warn")?;
    let store = flags.store_of("bench")?;
    let bench = Server::builder("bench", env!("CARGO_PKG_VERSION"))
        .store(store)
        .tool(five_at_least)
        .tool(five_at_most)
        .tool(read_only);
    server::serve(bench, &flags).await
}

#[tokio::main]
async fn main() -> ExitCode {
    server::exit_code(run().await)
}
