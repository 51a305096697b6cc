//! The entries of the menu, in one table.

use crate::{
    crash,
    interrupt::Interrupts,
    programs::Programs,
    run::{self, Ended, Setting},
};

/// One line of the menu.
#[derive(Debug)]
pub(crate) struct Entry {
    /// What it is called, on the command line too.
    pub(crate) name: &'static str,
    /// What there is to see.
    pub(crate) summary: &'static str,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// The binary of this name is the server, the one with `-client` after it the client.
    Example,
    Crash,
}

/// All entries, in the order of the menu.
pub(crate) const ENTRIES: &[Entry] = &[
    Entry {
        name: "audit",
        summary: "who did what: one entry in a log for each call, and queries by time",
        kind: Kind::Example,
    },
    Entry {
        name: "steps",
        summary: "a user, then their profile: two steps, each recorded when it is done",
        kind: Kind::Example,
    },
    Entry {
        name: "processing",
        summary: "payments: a step that runs at most once, and which errors are worth another attempt",
        kind: Kind::Example,
    },
    Entry {
        name: "document",
        summary: "a document through two services that fail at random: steps of both kinds in one call",
        kind: Kind::Example,
    },
    Entry {
        name: "define",
        summary: "a glossary: several tables that agree, because one transaction writes them",
        kind: Kind::Example,
    },
    Entry {
        name: "crash",
        summary: "kills the server between two steps of a call; the call comes to its end all the same",
        kind: Kind::Crash,
    },
];

impl Entry {
    /// Finds the entry of this name.
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        ENTRIES.iter().find(|entry| entry.name == name)
    }

    /// Names the examples, each of which is a server and a client.
    pub(crate) fn examples() -> impl Iterator<Item = &'static str> {
        ENTRIES.iter().filter(|entry| matches!(entry.kind, Kind::Example)).map(|entry| entry.name)
    }

    /// Runs it, from a first line on the screen until its server has stopped.
    pub(crate) async fn run(
        &self,
        programs: &Programs,
        setting: &Setting,
        interrupts: &mut Interrupts,
    ) -> anyhow::Result<Ended> {
        println!("\n=== {}: {}\n", self.name, self.summary);
        match self.kind {
            Kind::Example => run::example(self.name, programs, setting, interrupts).await,
            Kind::Crash => crash::run(programs, setting, interrupts).await,
        }
    }
}
