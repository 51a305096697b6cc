//! The server that the tests of the whole system start, call and kill.

mod ask;
mod audit;
mod beside;
mod disturbed;
mod protocol;
mod shown;
mod steps;
mod tables;
mod witness;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use durable_runtime::prelude::*;
use durable_runtime::{Limits, Principal};

use self::disturbed::{Disturbance, Disturbed};

#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[derive(Debug, Parser)]
struct Flags {
    /// Directory of the store, of the effects, and of the points at which the server is held
    directory: PathBuf,

    /// Serve one client on standard input and output
    #[arg(long)]
    stdio: bool,

    /// The same, through the process that has the store if there is one
    #[arg(long)]
    shared: bool,

    /// Deaths in a row after which an invocation is parked
    #[arg(long, default_value_t = Limits::default().unclean_ends)]
    unclean_ends: u32,

    /// Milliseconds that running attempts get when the server stops
    #[arg(long, default_value_t = 20_000)]
    grace: u64,

    /// Address to listen on
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: String,

    /// Milliseconds after which a call goes on as a task, where the client can have tasks
    #[arg(long)]
    task_after: Option<u64>,

    /// Milliseconds for which a task is kept after its end
    #[arg(long, default_value_t = 3_600_000)]
    task_time_to_live: u64,

    /// Let only requests with a bearer token in that begins with `token of `
    #[arg(long)]
    authenticate: bool,

    /// Milliseconds for which a call whose client has gone waits for it
    #[arg(long, default_value_t = 3_600_000)]
    suspension: u64,

    /// Milliseconds that running attempts of a cancelled call get
    #[arg(long, default_value_t = 20_000)]
    interruption_grace: u64,

    /// Offer a handler of rmcp beside the tools
    #[arg(long)]
    beside: bool,

    /// Die at this commit of a call: `before:N` or `after:N`
    #[arg(long)]
    die: Option<Disturbance>,

    /// Let the first commit of a call wait for as long as the point `commit` is held
    #[arg(long)]
    hold_commit: bool,

    /// Milliseconds for which a session is kept that nobody uses
    #[arg(long, default_value_t = 3_600_000)]
    session_time_to_live: u64,
}

// Tools of these tests may block a thread to hold their body between two awaits.
#[tokio::main(worker_threads = 4)]
async fn main() -> ExitCode {
    tracing_subscriber::fmt().with_env_filter("info,rmcp=warn").with_writer(std::io::stderr).with_ansi(false).init();
    match run(Flags::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:?}");
            ExitCode::FAILURE
        }
    }
}

async fn run(flags: Flags) -> anyhow::Result<()> {
    witness::install(&flags.directory)?;
    let mut limits = Limits::default();
    limits.unclean_ends = flags.unclean_ends;
    limits.grace = Duration::from_millis(flags.interruption_grace);
    limits.suspension = Duration::from_millis(flags.suspension);
    let mut builder = Server::builder("durable-test-server", env!("CARGO_PKG_VERSION"))
        .instructions("Only for tests.")
        .limits(limits)
        .grace(Duration::from_millis(flags.grace))
        .session_time_to_live(Duration::from_millis(flags.session_time_to_live))
        .task_after(flags.task_after.map(Duration::from_millis))
        .task_time_to_live(Duration::from_millis(flags.task_time_to_live))
        .tool(steps::one_step)
        .tool(steps::two_steps)
        .tool(steps::two_steps_alone)
        .tool(steps::undoable)
        .tools(tools![steps::charge, steps::charge_heard])
        .tool(steps::charge_and_tell)
        .tool(steps::charge_seen_by_body)
        .tool(steps::flaky)
        .tool(steps::flaky_charge)
        .tool(steps::patient)
        .tool(steps::rounds)
        .tool(steps::fatal)
        .tool(tables::keep_everywhere)
        .tool(tables::keep_notes)
        .tool(tables::notes)
        .tool(tables::count_up)
        .tools(tools![ask::asks, ask::asks_twice, ask::asks_all, ask::tells, ask::floods])
        .tools(tools![shown::shows, shown::refuses])
        .prompt(shown::ask_about)
        .resource(shown::number)
        .resource(shown::zero)
        .tool(audit::audited)
        .tool(audit::charges)
        .tool(protocol::greet)
        .tool(protocol::number)
        .tool(steps::pay_order)
        .tool(protocol::remember)
        .tool(protocol::fails)
        .tool(protocol::commits)
        .tools(tools![protocol::announces, protocol::announces_and_works])
        .tool(protocol::who_calls)
        .tool(protocol::who_reads);
    let store = flags.directory.join("store.redb");
    builder = match flags.die.or(flags.hold_commit.then_some(Disturbance::Hold)) {
        Some(disturbance) => {
            builder.custom_store(Disturbed::new(durable_runtime::store::open(store).await?, disturbance))
        }
        None => builder.store(store),
    };
    if flags.beside {
        builder = builder.beside(beside::Existing);
    }
    if flags.authenticate {
        builder = builder.authenticate(|token| async move { token.strip_prefix("token of ").map(Principal::new) });
    }
    if flags.shared {
        return Ok(builder.serve_stdio().await?);
    }
    let server = builder.open().await?;
    protocol::set_server(&server);
    if flags.stdio {
        return Ok(server.serve_stdio().await?);
    }
    let listening = server.listen(flags.listen.as_str()).await?;
    let mut stdout = std::io::stdout();
    writeln!(stdout, "listening on {}", listening.url())?;
    stdout.flush()?;
    witness::held_body("listening")?;
    Ok(listening.serve().await?)
}
