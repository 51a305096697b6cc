//! Runs the examples: a menu without arguments, or one of them, or all.

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, builder::PossibleValuesParser};
use durable_examples::flags::Revision;

use crate::{
    entry::{ENTRIES, Entry},
    interrupt::Interrupts,
    programs::Programs,
    run::{Ended, Setting},
};

mod crash;
mod entry;
mod interrupt;
mod menu;
mod programs;
mod run;

#[derive(Debug, Parser)]
#[command(name = "harness", about = "Runs the examples; without an entry it shows a menu", version)]
struct Flags {
    /// What to run, without questions
    #[arg(value_parser = PossibleValuesParser::new(ENTRIES.iter().map(|entry| entry.name).chain(["all"])))]
    entry: Option<String>,

    /// Address for the servers to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: String,

    /// Directory for the stores and effects files [default: a temporary one for each run]
    #[arg(long, value_name = "DIRECTORY")]
    directory: Option<PathBuf>,

    /// Protocol revision that the clients speak
    #[arg(long, value_enum, default_value_t = Revision::November2025)]
    protocol: Revision,
}

#[tokio::main]
async fn main() -> ExitCode {
    let flags = Flags::parse();
    let setting = Setting { listen: flags.listen, directory: flags.directory, protocol: flags.protocol };
    let ended = match Interrupts::listen() {
        Ok(mut interrupts) => start(flags.entry.as_deref(), setting, &mut interrupts).await,
        Err(error) => Err(error),
    };
    match ended {
        Ok(Ended::AsExpected) => ExitCode::SUCCESS,
        Ok(Ended::With(status)) => ExitCode::from(status),
        Ok(Ended::Interrupted(interrupt)) => ExitCode::from(interrupt.exit_code()),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn start(entry: Option<&str>, setting: Setting, interrupts: &mut Interrupts) -> anyhow::Result<Ended> {
    let programs = tokio::select! {
        programs = Programs::build(Entry::examples()) => programs?,
        interrupt = interrupts.next() => return Ok(Ended::Interrupted(interrupt)),
    };
    match entry {
        None => menu::show(&programs, &setting, interrupts).await,
        Some("all") => run_all(&programs, &setting, interrupts).await,
        Some(name) => {
            let entry = Entry::named(name).expect("clap takes only names of entries");
            entry.run(&programs, &setting, interrupts).await
        }
    }
}

/// Runs every entry, also after one that failed, and ends with the first failure.
async fn run_all(programs: &Programs, setting: &Setting, interrupts: &mut Interrupts) -> anyhow::Result<Ended> {
    let mut first_failure = Ended::AsExpected;
    let mut summary = Vec::new();
    for entry in ENTRIES {
        let ended = entry.run(programs, setting, interrupts).await.unwrap_or_else(|error| {
            eprintln!("error: {error:#}");
            Ended::With(1)
        });
        if let Ended::Interrupted(_) = ended {
            return Ok(ended);
        }
        summary.push(format!("  {:<12}{ended}", entry.name));
        if first_failure == Ended::AsExpected {
            first_failure = ended;
        }
    }
    println!("\n{}", summary.join("\n"));
    Ok(first_failure)
}
