//! Figures for which a micro-benchmark is too small.
//!
//! ```text
//! cargo bench -p durable-tests --bench scale                    # everything, small
//! cargo bench -p durable-tests --bench scale -- throughput --in-flight 256 --calls 100000
//! cargo bench -p durable-tests --bench scale -- --help
//! ```
//!
//! Each figure is one line of JSON on standard output.

mod bare;
mod child;
mod floor;
mod growth;
mod meter;
mod recording;
mod recovery;
mod relay;
mod steady;
mod throughput;
mod waiting;

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Parser, Subcommand};

use self::floor::Floor;
use self::growth::Growth;
use self::recovery::Recovery;
use self::relay::Place;
use self::steady::Steady;
use self::throughput::Throughput;
use self::waiting::Waiting;

#[derive(Debug, Parser)]
#[command(about = "Measures calls, stores of millions of rows, and waiting invocations")]
struct Flags {
    /// Threads of the runtime
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Given by cargo
    #[arg(long, hide = true, global = true)]
    bench: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Calls in process
    Throughput(Throughput),
    /// Bare redb commits of the rows that a call writes
    Floor(Floor),
    /// Opening a store with a million finished and ten thousand unfinished invocations
    Recovery(Recovery),
    /// Memory and wake-up of 100,000 waiting invocations
    Waiting(Waiting),
    /// What a step costs with ten thousand, a million and ten million rows in the store
    Growth(Growth),
    /// The size of the file under a load that goes on
    Steady(Steady),
    /// Part of `recovery`
    #[command(hide = true)]
    Fill(recovery::Part),
    /// Part of `recovery`
    #[command(hide = true)]
    Open(recovery::Part),
    /// Part of `waiting`
    #[command(hide = true)]
    FillWaiting(waiting::Part),
    /// Part of `waiting`
    #[command(hide = true)]
    Wake(waiting::Part),
}

/// Everything, so small that it takes seconds: a check that it works, and no measurement.
fn all_small() -> Vec<Command> {
    let directory = || PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let throughput = |tool: &str, memory| {
        let tool = tool.to_owned();
        Command::Throughput(Throughput { tool, in_flight: 16, calls: 200, memory, directory: directory() })
    };
    vec![
        Command::Floor(Floor { tool: "five_at_least".into(), in_flight: 1, calls: 20, directory: directory() }),
        throughput("five_at_least", false),
        throughput("five_at_most", false),
        throughput("read_only", false),
        throughput("five_at_least", true),
        Command::Recovery(Recovery { finished: 1000, unfinished: 10, quick: false, place: Place::small() }),
        Command::Waiting(Waiting { invocations: 1000, cache_mib: 32, place: Place::small() }),
        Command::Growth(Growth { rows: vec![1000, 10_000], calls: 200, directory: directory() }),
        Command::Steady(Steady { seconds: 1, in_flight: 16, looks: 2, kept: 1, directory: directory() }),
    ]
}

async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Throughput(asked) => throughput::run(&asked).await?,
        Command::Floor(asked) => floor::run(&asked).await?,
        Command::Recovery(asked) => tokio::task::spawn_blocking(move || recovery::run(&asked)).await??,
        Command::Waiting(asked) => tokio::task::spawn_blocking(move || waiting::run(&asked)).await??,
        Command::Growth(asked) => growth::run(&asked).await?,
        Command::Steady(asked) => steady::run(&asked).await?,
        Command::Fill(part) => recovery::fill(&part).await?,
        Command::Open(part) => recovery::open_again(&part).await?,
        Command::FillWaiting(part) => waiting::fill(&part).await?,
        Command::Wake(part) => waiting::wake(&part).await?,
    }
    Ok(())
}

fn main() -> anyhow::Result<()> {
    let flags = Flags::parse();
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(flags.threads).enable_all().build().context("no runtime can be built")?;
    let commands = flags.command.map_or_else(all_small, |command| vec![command]);
    commands.into_iter().try_for_each(|command| runtime.block_on(run(command)))
}
