//! Start-up of an example server.

use std::{
    io::{IsTerminal as _, Write as _},
    process::ExitCode,
};

use anyhow::{Context as _, ensure};
use durable_runtime::{ServerBuilder, prelude::Server};
use tracing_subscriber::EnvFilter;

use crate::{flags::ServerFlags, witness};

/// Prepares the log, on standard error, and the witness of effects.
///
/// The environment variable `RUST_LOG` says how much is logged; without it, `info` and above, and of the protocol
/// only warnings.
///
/// # Errors
///
/// When the effects file cannot be opened.
pub fn prepare(flags: &ServerFlags) -> anyhow::Result<()> {
    prepare_with(flags, "info,rmcp=warn")
}

/// The same with another filter for when the environment says nothing.
///
/// # Errors
///
/// As [`prepare`].
pub fn prepare_with(flags: &ServerFlags, filter: &str) -> anyhow::Result<()> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(filter));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    witness::install(flags)
}

/// Serves until standard input ends, Ctrl-C or SIGTERM; or validates, if that is what the flags ask for.
///
/// Over HTTP, standard output gets exactly one line, `listening on http://127.0.0.1:9991/mcp`, once the server answers.
///
/// # Errors
///
/// When the store cannot be opened, the address cannot be listened on, the transport fails, or a validation finds differences.
pub async fn serve(builder: ServerBuilder, flags: &ServerFlags) -> anyhow::Result<()> {
    if flags.stdio {
        return Ok(builder.serve_stdio().await?);
    }
    serve_open(builder.open().await?, flags).await
}

/// The same with a server that is open already, and over standard input and output has the store for itself.
///
/// # Errors
///
/// When the address cannot be listened on, the transport fails, or a validation finds differences.
pub async fn serve_open(server: Server, flags: &ServerFlags) -> anyhow::Result<()> {
    if flags.validate {
        return validate(server).await;
    }
    if flags.stdio {
        return Ok(server.serve_stdio().await?);
    }
    let listening = server.listen(flags.listen.as_str()).await?;
    // A parent that started us may be gone already; that is no reason to stop serving.
    let mut stdout = std::io::stdout();
    let _ = writeln!(stdout, "listening on {}", listening.url()).and_then(|()| stdout.flush());
    listening.serve().await.context("the server stopped")
}

/// Replays every call that has ended, and prints each difference on a line of standard output.
async fn validate(server: Server) -> anyhow::Result<()> {
    let differences = server.validate().await;
    server.shutdown().await;
    let differences = differences.context("the store cannot be validated")?;
    let mut stdout = std::io::stdout().lock();
    for difference in &differences {
        writeln!(stdout, "{difference}").context("cannot write to standard output")?;
    }
    let count = differences.len();
    ensure!(count == 0, "differences between the journals and this build: {count}");
    Ok(())
}

/// Ends `main`: a failure is told on standard error, with its causes, and exits with 1.
pub fn exit_code(result: anyhow::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
