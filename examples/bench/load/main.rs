//! Load for an MCP server: calls of one tool, so many in flight, over Streamable HTTP or standard input and output.
//!
//! The client is lean on purpose: requests are put together once, and of a response only as much is read as tells where it
//! ends and that it is no error. So what is measured is the server.

mod http;
mod latency;
mod process;
mod request;
mod stdio;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use clap::Parser;
use durable_examples::flags::Revision;

use self::latency::Latencies;
use self::process::{Started, cpu_of, cpu_of_this_process};
use self::request::Requests;

/// Makes calls and prints one JSON object: latencies in microseconds, calls a second, CPU time a call of the server and of
/// this client.
#[derive(Debug, Parser)]
#[command(version, after_help = "bench-load --in-flight 256 -- target/release/bench --listen 127.0.0.1:0")]
pub(crate) struct Flags {
    /// Where a running server is; without it the command after `--` is started, and asked to stop at the end
    #[arg(long, conflicts_with = "server", required_unless_present = "server")]
    url: Option<String>,

    /// The process of that server, for its CPU time
    #[arg(long, requires = "url")]
    pid: Option<u32>,

    /// Speak on the standard input and output of the server that is started
    #[arg(long, conflicts_with = "url")]
    stdio: bool,

    /// Protocol revision to speak
    #[arg(long, value_enum, default_value_t = Revision::July2026)]
    protocol: Revision,

    /// Tool to call, with an argument `name`
    #[arg(long, default_value = "five_at_least")]
    tool: String,

    /// Calls in flight; over HTTP each has a connection of its own
    #[arg(long, default_value_t = 1)]
    in_flight: u32,

    /// Calls to measure [default: as many as the duration allows]
    #[arg(long)]
    calls: Option<u64>,

    /// Seconds to measure, unless `--calls` says otherwise
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,

    /// Seconds of load before the measurement
    #[arg(long, default_value_t = 1.0)]
    warm_up: f64,

    /// A word that is added to the output, for telling runs apart
    #[arg(long, default_value = "")]
    label: String,

    /// The server to start, with its flags
    #[arg(last = true)]
    server: Vec<String>,
}

/// Says whether one more call is made.
#[derive(Debug)]
pub(crate) struct Allowance {
    made: AtomicU64,
    calls: u64,
    until: Option<Instant>,
}

impl Allowance {
    fn of(calls: Option<u64>, seconds: f64) -> anyhow::Result<Self> {
        let duration = Duration::try_from_secs_f64(seconds).context("the seconds are no duration")?;
        let until = calls.is_none().then(|| Instant::now() + duration);
        Ok(Self { made: AtomicU64::new(0), calls: calls.unwrap_or(u64::MAX), until })
    }

    /// Whether one more call may begin now.
    pub(crate) fn allows_one_more(&self) -> bool {
        self.until.is_none_or(|until| Instant::now() < until) && self.made.fetch_add(1, Ordering::Relaxed) < self.calls
    }
}

/// Ways to the server that are open.
enum Way {
    Http(Vec<http::Connection>),
    Stdio(Box<stdio::Pipe>),
}

impl Way {
    async fn drive(&mut self, allowance: Allowance) -> anyhow::Result<Latencies> {
        let allowance = Arc::new(allowance);
        match self {
            Self::Http(connections) => {
                let mut workers = tokio::task::JoinSet::new();
                for mut connection in std::mem::take(connections) {
                    let allowance = Arc::clone(&allowance);
                    workers.spawn(async move { connection.drive(&allowance).await.map(|made| (connection, made)) });
                }
                let mut all = Latencies::default();
                while let Some(ended) = workers.join_next().await {
                    let (connection, made) = ended.context("a connection's task panicked")??;
                    connections.push(connection);
                    all.add(made);
                }
                Ok(all)
            }
            Self::Stdio(pipe) => pipe.drive(&allowance).await,
        }
    }
}

async fn run(flags: Flags) -> anyhow::Result<()> {
    let requests = Requests::new(flags.protocol, &flags.tool);
    let mut started = match &flags.server[..] {
        [] => None,
        [program, arguments @ ..] => Some(Started::start(program, arguments, flags.stdio).await?),
    };
    let pid = flags.pid.or_else(|| started.as_ref().and_then(Started::pid));
    let mut way = if flags.stdio {
        let server = started.as_mut().context("with `--stdio` a server is started: name it after `--`")?;
        Way::Stdio(Box::new(stdio::Pipe::open(server, requests, flags.in_flight).await?))
    } else {
        let url = flags.url.clone().or_else(|| started.as_ref().and_then(|server| server.url.clone()));
        let url = url.context("the server does not say where it listens")?;
        Way::Http(http::connect(&url, &requests, flags.in_flight).await?)
    };
    way.drive(Allowance::of(None, flags.warm_up)?).await?;
    let (server_before, client_before) = (pid.map(cpu_of).transpose()?, cpu_of_this_process());
    let began = Instant::now();
    let latencies = way.drive(Allowance::of(flags.calls, flags.seconds)?).await?;
    let elapsed = began.elapsed();
    let client_cpu = cpu_of_this_process().saturating_sub(client_before);
    let server_cpu = match (pid, server_before) {
        (Some(pid), Some(before)) => Some(cpu_of(pid)?.saturating_sub(before)),
        _ => None,
    };
    if latencies.count() == 0 {
        bail!("no call came to its end in the time");
    }
    println!("{}", latencies.figures(&flags, elapsed, server_cpu, client_cpu));
    drop(way);
    match started {
        Some(server) => server.stop().await,
        None => Ok(()),
    }
}

// One thread: a client that takes more than that from two cores measures itself.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    durable_examples::server::exit_code(run(Flags::parse()).await)
}
