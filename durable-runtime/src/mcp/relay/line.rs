//! The lines that a relay and an owner exchange: messages of the protocol, and a few between the two.

use std::io;

use rmcp::transport::async_rw::DEFAULT_MAX_LINE_LENGTH;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _};
use uuid::Uuid;

/// The version of what is said here.
pub(super) const VERSION: u32 = 1;
/// The name in `_meta` under which a relay gives a request its number.
pub(super) const META: &str = "durable/relay";
/// The longest line between the two that is no message, in bytes.
pub(super) const CONTROL_BYTES: usize = 4096;
/// The longest message of a client, in bytes: as long as where the client's own process has the store.
pub(super) const CLIENT_BYTES: usize = DEFAULT_MAX_LINE_LENGTH;
/// The longest message of a relay, in bytes: a client's, written anew, which may make its numbers longer.
pub(super) const RELAYED_BYTES: usize = 8 * CLIENT_BYTES;

/// What a relay says first.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Hello {
    #[serde(rename = "durable/relay")]
    pub(super) version: u32,
    /// Names the connection of the client, over all owners.
    pub(super) connection: Uuid,
    /// The name of the server that the client started.
    pub(super) server: String,
    /// Its version.
    pub(super) build: String,
}

/// What an owner says that is no message.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Word {
    #[serde(rename = "durable/relay")]
    pub(super) version: u32,
    #[serde(flatten)]
    pub(super) said: Said,
}

/// One of the things that an owner says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Said {
    /// First: the connection is taken, by a server of this version.
    Welcome { build: String },
    /// First: it is not, and why.
    Refused { code: Refusal, why: String },
    /// Last: the client does not speak the protocol.
    Failed { why: String },
}

/// Why an owner does not take a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Refusal {
    /// It is another server, or another version of what is said here.
    Foreign,
    /// It had this connection before.
    Known,
}

impl Said {
    pub(super) fn line(self) -> Vec<u8> {
        to_line(&Word { version: VERSION, said: self })
    }
}

/// A value as a line, with its end.
pub(super) fn to_line(value: &impl Serialize) -> Vec<u8> {
    let mut line = serde_json::to_vec(value).expect("plain data is JSON");
    line.push(b'\n');
    line
}

/// A line as what it says.
pub(super) fn parsed<T: DeserializeOwned>(line: &[u8]) -> io::Result<T> {
    Ok(serde_json::from_slice(line)?)
}

/// A line, without its end.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    Whole(Vec<u8>),
    /// It was longer than allowed, and this is how it begins.
    TooLong(Vec<u8>),
}

/// Reads a line; `None` at the end of input. A line without its end is none. Not to be dropped before its end.
pub(super) async fn read_line(input: &mut (impl AsyncBufRead + Unpin), most: usize) -> io::Result<Option<Line>> {
    let mut line = Vec::new();
    let mut is_too_long = false;
    loop {
        let available = input.fill_buf().await?;
        if available.is_empty() {
            return Ok(None);
        }
        let end = available.iter().position(|byte| *byte == b'\n');
        let part = &available[..end.unwrap_or(available.len())];
        let room = most - line.len();
        is_too_long |= part.len() > room;
        line.extend_from_slice(&part[..part.len().min(room)]);
        let used = end.map_or(available.len(), |end| end + 1);
        input.consume(used);
        if end.is_some() {
            return Ok(Some(if is_too_long { Line::TooLong(line) } else { Line::Whole(line) }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_are_read_whole_or_cut_at_the_limit_and_the_next_is_not_touched() {
        let input = format!("one\n{}\n{}\nlast\nno end", "x".repeat(10), "y".repeat(11));
        // A buffer that is smaller than the lines.
        let mut input = tokio::io::BufReader::with_capacity(3, input.as_bytes());
        let mut read = Vec::new();
        while let Some(line) = read_line(&mut input, 10).await.expect("bytes") {
            read.push(line);
        }
        let whole = |text: &str| Line::Whole(text.as_bytes().to_vec());
        assert_eq!(read, [whole("one"), whole("xxxxxxxxxx"), Line::TooLong(b"yyyyyyyyyy".to_vec()), whole("last")]);
    }

    #[test]
    fn what_is_said_is_read_as_it_was_said() {
        let line = Said::Refused { code: Refusal::Known, why: "so".into() }.line();
        assert_eq!(line, b"{\"durable/relay\":1,\"refused\":{\"code\":\"known\",\"why\":\"so\"}}\n");
        let word: Word = parsed(&line).expect("what was said");
        assert!(matches!(word.said, Said::Refused { code: Refusal::Known, .. }), "{word:?}");
        parsed::<Word>(b"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}").expect_err("a message");
    }
}
