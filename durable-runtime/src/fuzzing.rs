//! What takes bytes that nobody vouches for, each as a function of bytes that must not panic, whatever they are. The tests try
//! them with the kept corpus, and the package `fuzz` with what libFuzzer makes of it; they are no part of the API.

use crate::journal::codec::{self, CodecError};
use crate::journal::record::{Ended, KeyUse, Record, Reply, Session, Stream, Unfinished};
use crate::journal::replay;
pub use crate::mcp::fuzzing::{arguments, event_id, http, request_state, stdio};
pub use crate::store::redb::fuzzing::store_file;

/// A record of any kind, which the first byte chooses. What is read is written again as it was understood.
pub fn record(data: &[u8]) {
    fn reread<T: bincode::Encode + bincode::Decode<()> + PartialEq + std::fmt::Debug>(data: &[u8]) -> Option<T> {
        let value: T = match codec::decode(data) {
            Ok(value) => value,
            Err(CodecError::Newer(_) | CodecError::Damaged(_)) => return None,
        };
        assert_eq!(codec::decode::<T>(&codec::encode(&value)).ok().as_ref(), Some(&value));
        Some(value)
    }
    let Some((kind, data)) = data.split_first() else { return };
    match kind % 7 {
        0 => {
            if let Some(records) = reread::<Vec<Record>>(data) {
                // Contradictions are found, and told.
                let _history = replay::replay(records);
            }
        }
        1 => drop(reread::<Unfinished>(data)),
        2 => drop(reread::<Ended>(data)),
        3 => drop(reread::<KeyUse>(data)),
        4 => drop(reread::<Session>(data)),
        5 => drop(reread::<Stream>(data)),
        _ => drop(reread::<Reply>(data)),
    }
}

#[cfg(test)]
mod tests;
