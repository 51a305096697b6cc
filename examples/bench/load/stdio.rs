//! Calls over a server's standard input and output, one message a line.

use std::collections::HashMap;
use std::time::Instant;

use anyhow::{Context as _, ensure};
use durable_examples::flags::Revision;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{ChildStdin, ChildStdout};

use crate::Allowance;
use crate::latency::Latencies;
use crate::process::Started;
use crate::request::{Requests, is_success};

/// A client on the pipes of a server.
#[derive(Debug)]
pub(crate) struct Pipe {
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    requests: Requests,
    in_flight: usize,
    next: u64,
    line: String,
}

impl Pipe {
    pub(crate) async fn open(server: &mut Started, requests: Requests, in_flight: u32) -> anyhow::Result<Self> {
        let (input, output) = server.pipes.take().context("the server was not started with pipes")?;
        let output = BufReader::with_capacity(1 << 16, output);
        let in_flight = usize::try_from(in_flight)?;
        let mut pipe = Self { input, output, requests, in_flight, next: 1, line: String::new() };
        if pipe.requests.revision == Revision::November2025 {
            pipe.send(&(pipe.requests.initialize() + "\n")).await?;
            pipe.receive().await?;
            ensure!(pipe.line.contains("\"result\""), "the server begins no session: {}", pipe.line.trim());
            pipe.send(&(Requests::initialized() + "\n")).await?;
        }
        Ok(pipe)
    }

    async fn send(&mut self, lines: &str) -> anyhow::Result<()> {
        self.input.write_all(lines.as_bytes()).await.context("cannot write to the server")?;
        self.input.flush().await.context("cannot write to the server")
    }

    async fn receive(&mut self) -> anyhow::Result<()> {
        self.line.clear();
        let read = self.output.read_line(&mut self.line).await.context("cannot read from the server")?;
        ensure!(read > 0, "the server ended in the middle");
        Ok(())
    }

    /// Makes calls until no more are allowed, and waits for the last ones.
    pub(crate) async fn drive(&mut self, allowance: &Allowance) -> anyhow::Result<Latencies> {
        let (mut latencies, mut waiting) = (Latencies::default(), HashMap::new());
        loop {
            let mut lines = String::new();
            while waiting.len() < self.in_flight && allowance.allows_one_more() {
                lines += &self.requests.call(self.next);
                lines.push('\n');
                waiting.insert(self.next, Instant::now());
                self.next += 1;
            }
            self.send(&lines).await?;
            if waiting.is_empty() {
                return Ok(latencies);
            }
            // What has arrived already is taken in before the next requests go out together.
            loop {
                self.receive().await?;
                if let Some(id) = id_of(&self.line) {
                    ensure!(is_success(&self.line), "a call failed: {}", self.line.trim());
                    latencies.note(waiting.remove(&id).context("an answer to no request")?.elapsed());
                }
                if waiting.is_empty() || !self.output.buffer().contains(&b'\n') {
                    break;
                }
            }
        }
    }
}

/// The id of a response; `None` for a notification.
fn id_of(message: &str) -> Option<u64> {
    let (_, rest) = message.split_once("\"id\":")?;
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    rest[..digits].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::id_of;

    #[test]
    fn response_has_an_id_and_a_notification_has_none() {
        assert_eq!(id_of(r#"{"jsonrpc":"2.0","id":17,"result":{}}"#), Some(17));
        assert_eq!(id_of(r#"{"jsonrpc":"2.0","method":"notifications/message"}"#), None);
    }
}
