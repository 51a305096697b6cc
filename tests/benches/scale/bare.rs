//! Bare redb commits of the rows that a call writes, with the durability that the store has.

use std::path::Path;
use std::time::{Duration, Instant};

use durable_runtime::store::{Batch, Keyspace};
use durable_runtime::{Clock as _, SystemClock, uuid7};
use redb::{Database, TableDefinition};

/// The table of a keyspace, as the store has it.
fn table(keyspace: Keyspace) -> TableDefinition<'static, &'static [u8], &'static [u8]> {
    TableDefinition::new(match keyspace {
        Keyspace::Unfinished => "unfinished",
        Keyspace::Journal => "journal",
        Keyspace::Result => "result",
        _ => "other",
    })
}

/// Replaces the id in a row's key.
fn key_under(key: &[u8], recorded: [u8; 16], id: [u8; 16]) -> Vec<u8> {
    let mut key = key.to_vec();
    if let Some(at) = key.windows(16).position(|window| window == recorded) {
        key[at..at + 16].copy_from_slice(&id);
    }
    key
}

/// Commits one batch of each of these calls together, in a transaction of redb's own kind: durable when it returns.
fn commit(database: &Database, batch: &Batch, recorded: [u8; 16], ids: &[[u8; 16]]) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    let mut keyspaces: Vec<Keyspace> = batch.writes.iter().map(|write| write.keyspace).collect();
    keyspaces.sort_unstable();
    keyspaces.dedup();
    for keyspace in keyspaces {
        let mut table = transaction.open_table(table(keyspace))?;
        for id in ids {
            for write in batch.writes.iter().filter(|write| write.keyspace == keyspace) {
                let key = key_under(&write.key, recorded, *id);
                match &write.value {
                    Some(value) => drop(table.insert(key.as_slice(), value.as_slice())?),
                    None => drop(table.remove(key.as_slice())?),
                }
            }
        }
    }
    transaction.commit()?;
    Ok(())
}

/// A database to commit to.
pub(crate) fn database(path: &Path) -> Result<Database, redb::Error> {
    Ok(Database::builder().set_cache_size(256 << 20).create(path)?)
}

/// Writes the rows of so many calls, one commit for each of their batches, and gives how long each commit took.
pub(crate) fn commits(
    database: &Database,
    batches: &[Batch],
    recorded: [u8; 16],
    calls: u64,
    in_flight: u64,
) -> Result<Vec<Duration>, redb::Error> {
    let generator = uuid7::Generator::new();
    let mut latencies = Vec::new();
    for _ in 0..calls.div_ceil(in_flight) {
        let ids: Vec<_> = (0..in_flight).map(|_| generator.next(SystemClock.now()).into_bytes()).collect();
        for batch in batches {
            let began = Instant::now();
            commit(database, batch, recorded, &ids)?;
            latencies.push(began.elapsed());
        }
    }
    Ok(latencies)
}
