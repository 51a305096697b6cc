//! A client that speaks by hand with a server over its standard input and output.

use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout};

use crate::client::Revision;
use crate::fixture::Fixture;
use crate::wait::answered;

/// A server process, and the lines to and from it. It is killed when this value is dropped.
#[derive(Debug)]
pub struct StdioClient {
    process: Child,
    input: Option<ChildStdin>,
    output: Lines<BufReader<ChildStdout>>,
}

impl StdioClient {
    /// Starts a server that shares its store with others, and begins a connection.
    ///
    /// # Panics
    ///
    /// When it cannot be started.
    pub async fn shared(fixture: &Fixture, capabilities: Value) -> Self {
        Self::start(fixture, &[], capabilities).await
    }

    /// The same, with more flags.
    ///
    /// # Panics
    ///
    /// When it cannot be started.
    pub async fn start(fixture: &Fixture, flags: &[&str], capabilities: Value) -> Self {
        let mut command = tokio::process::Command::from(fixture.command(&["--shared"]));
        command.args(flags);
        let log = std::fs::OpenOptions::new().create(true).append(true).open(fixture.log());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log.expect("the log can be opened"));
        let mut process = command.kill_on_drop(true).spawn().expect("the server can be started");
        let input = process.stdin.take();
        let output = BufReader::new(process.stdout.take().expect("standard output is piped")).lines();
        let mut client = Self { process, input, output };
        let params = json!({
            "protocolVersion": Revision::November2025.version(),
            "capabilities": capabilities,
            "clientInfo": { "name": "by hand", "version": "0" },
        });
        client.send(&json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params })).await;
        assert!(client.next().await["result"].is_object());
        client.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await;
        client
    }

    /// Sends a message.
    ///
    /// # Panics
    ///
    /// When the server does not read.
    pub async fn send(&mut self, message: &Value) {
        let input = self.input.as_mut().expect("input is open");
        input.write_all(format!("{message}\n").as_bytes()).await.expect("the server reads");
    }

    /// Calls a tool under this request id.
    pub async fn call(&mut self, id: i64, tool: &str, arguments: Value) {
        let params = json!({ "name": tool, "arguments": arguments });
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params })).await;
    }

    /// The next message of the server.
    ///
    /// # Panics
    ///
    /// When none comes.
    pub async fn next(&mut self) -> Value {
        let line = answered("a message", self.output.next_line()).await.expect("output can be read");
        serde_json::from_str(&line.expect("the server goes on")).expect("a message is JSON")
    }

    /// Ends input, and gives what the server still says.
    ///
    /// # Panics
    ///
    /// When it does not end, or says that it failed.
    pub async fn close(mut self) -> Vec<Value> {
        self.input = None;
        let mut said = Vec::new();
        while let Some(line) = answered("the end", self.output.next_line()).await.expect("output can be read") {
            said.push(serde_json::from_str(&line).expect("a message is JSON"));
        }
        let status = answered("the end of the server", self.process.wait()).await.expect("a child can be waited for");
        assert!(status.success(), "the server ended with {status}");
        said
    }
}
