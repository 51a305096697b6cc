//! How a run of a test ended, and in what it differs from another.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::ops::Bound;

use super::renamed::Renamed;
use crate::error::Error;
use crate::journal::codec;
use crate::journal::record::{Outcome, Record};
use crate::local::LocalResult;
use crate::store::{Keyspace, MemoryBackend, Row, Scan, SyncBackend as _};

/// Differences that are told at most.
const TOLD: usize = 8;

/// What is left of a run.
#[derive(Debug, Default)]
pub(crate) struct End {
    /// What there is to compare, as text: under where it is found.
    found: BTreeMap<Place, String>,
    /// Names of the steps that are in doubt.
    pub(crate) in_doubt: BTreeSet<String>,
}

/// Where something is that can differ.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    Call { number: usize, tool: String },
    Row { server: usize, table: String, key: String },
}

impl Place {
    fn as_text(&self) -> String {
        match self {
            Self::Call { number, tool } => format!("call {number}, of `{tool}`"),
            Self::Row { table, key, .. } => format!("table `{table}`, key `{key}`"),
        }
    }
}

/// The result of a call, as text.
pub(crate) fn result_text(answer: &Result<LocalResult, Error>) -> String {
    match answer {
        Ok(LocalResult { result: Ok(value), .. }) => value.to_string(),
        Ok(LocalResult { result: Err(failure), .. }) => format!("the error \"{}\" {}", failure.message, failure.error),
        Err(error) => format!("`{}`: {error}", error.code()),
    }
}

impl End {
    /// Adds the result of a call.
    pub(crate) fn add_call(&mut self, number: usize, tool: String, result: String) {
        self.found.insert(Place::Call { number, tool }, result);
    }

    /// Adds what a server has left on its disk.
    pub(crate) fn add_disk(&mut self, server: usize, disk: &MemoryBackend) {
        for (row_key, value) in rows(disk, Keyspace::Table) {
            let (table, key) = table_and_key(&row_key);
            // Entries of audit logs tell times; that each is there once is the engine's business.
            if !table.starts_with("audit:") {
                self.found.insert(Place::Row { server, table, key }, text(&value));
            }
        }
        for (_, row) in rows(disk, Keyspace::Journal) {
            for record in codec::decode::<Vec<Record>>(&row).unwrap_or_default() {
                if let Record::Ended { step, outcome: Outcome::InDoubt(_), .. } = record {
                    self.in_doubt.insert(step.name.into_owned());
                }
            }
        }
    }

    /// The same with names in place of the ids that the framework made: two runs are alike if they are so up to those.
    pub(crate) fn renamed(self, made: &BTreeSet<uuid::Uuid>) -> Self {
        let renamed = Renamed::new(
            made,
            self.found.iter().flat_map(|(place, text)| match place {
                Place::Call { .. } => ["", text.as_str()],
                Place::Row { key, .. } => [key.as_str(), text.as_str()],
            }),
        );
        let found = self
            .found
            .into_iter()
            .map(|(place, text)| {
                let place = match place {
                    Place::Row { server, table, key } => Place::Row { server, table, key: renamed.of(&key) },
                    call @ Place::Call { .. } => call,
                };
                (place, renamed.of(&text))
            })
            .collect();
        Self { found, in_doubt: self.in_doubt }
    }

    /// In what another end differs from this one, as text; empty if in nothing.
    pub(crate) fn differences(&self, other: &Self) -> String {
        let places: BTreeSet<&Place> = self.found.keys().chain(other.found.keys()).collect();
        let differing: Vec<&Place> =
            places.into_iter().filter(|place| self.found.get(place) != other.found.get(place)).collect();
        let mut told = String::new();
        for place in differing.iter().take(TOLD) {
            let [without, with] = [self, other].map(|end| end.found.get(place).map_or("nothing", String::as_str));
            let place = place.as_text();
            let _ = writeln!(told, "  {place}\n    undisturbed:    {without}\n    with the crash: {with}");
        }
        if differing.len() > TOLD {
            let _ = writeln!(told, "  and {} differences more", differing.len() - TOLD);
        }
        told
    }
}

fn rows(disk: &MemoryBackend, keyspace: Keyspace) -> Vec<Row> {
    let all = Scan { keyspace, lower: Bound::Unbounded, upper: Bound::Unbounded, descending: false, limit: usize::MAX };
    disk.scan(&all).unwrap_or_default()
}

/// The name of a row's table, and its key there.
fn table_and_key(row_key: &[u8]) -> (String, String) {
    let Some((length, rest)) = row_key.split_first() else { return (String::new(), String::new()) };
    let (table, key) = rest.split_at(usize::from(*length).min(rest.len()));
    (text(table), text(key))
}

/// Bytes as text: as they are, if that is what they are.
fn text(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => format!("{bytes:?}"),
    }
}
