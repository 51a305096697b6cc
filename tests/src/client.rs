//! The protocol's own client, in both revisions and over both transports.

use std::process::Command;

use rmcp::model::{
    CallToolRequestParams, CallToolResult, ClientCapabilities, ClientConfig, ErrorCode, Implementation,
    ProtocolVersion, RequestMetaObject, Tool,
};
use rmcp::service::{
    ClientInitializeError, ClientLifecycleMode, RunningService, ServiceError, serve_client_with_lifecycle,
};
use rmcp::transport::{IntoTransport, StreamableHttpClientTransport, TokioChildProcess};
use rmcp::{ErrorData, RoleClient};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::fixture::Fixture;
use crate::wait::answered;

/// A revision of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revision {
    /// With `initialize` and sessions.
    November2025,
    /// Stateless, with `_meta` on each request.
    July2026,
}

impl Revision {
    /// Both.
    pub const ALL: [Self; 2] = [Self::November2025, Self::July2026];

    /// The revision's version, as the protocol has it.
    pub fn version(self) -> &'static str {
        match self {
            Self::November2025 => "2025-11-25",
            Self::July2026 => "2026-07-28",
        }
    }
}

/// A connected client.
#[derive(Debug)]
pub struct Client {
    connection: RunningService<RoleClient, ClientConfig>,
    /// The server, if it is a child process.
    server: Option<u32>,
}

impl Client {
    /// Connects to a server over HTTP.
    pub async fn http(url: &str, revision: Revision) -> Self {
        Self::connect(StreamableHttpClientTransport::from_uri(url), revision).await
    }

    /// Starts a server as a child process, and talks to it over its standard input and output.
    ///
    /// # Panics
    ///
    /// When it cannot be started.
    pub async fn stdio(fixture: &Fixture, revision: Revision) -> Self {
        Self::child(fixture, &["--stdio"], revision).await
    }

    /// The same, with a server that shares its store with others.
    ///
    /// # Panics
    ///
    /// When it cannot be started.
    pub async fn shared(fixture: &Fixture, revision: Revision) -> Self {
        Self::child(fixture, &["--shared"], revision).await
    }

    async fn child(fixture: &Fixture, flags: &[&str], revision: Revision) -> Self {
        let command: Command = fixture.command(flags);
        let mut command = tokio::process::Command::from(command);
        command.kill_on_drop(true);
        let log = std::fs::OpenOptions::new().create(true).append(true).open(fixture.log());
        let started = TokioChildProcess::builder(command).stderr(log.expect("the log can be made")).spawn();
        let (process, _) = started.expect("the server can be started");
        let server = process.id();
        let mut client = Self::connect(process, revision).await;
        client.server = server;
        client
    }

    /// The id of the server's process, if it is a child.
    pub fn server_id(&self) -> Option<u32> {
        self.server
    }

    /// Kills the server with SIGKILL.
    ///
    /// # Panics
    ///
    /// When it is no child process, or has ended.
    pub fn kill_server(&self) {
        self.signal_server(Signal::KILL);
    }

    /// Asks the server to stop, with SIGTERM, and does not wait for it.
    ///
    /// # Panics
    ///
    /// When it is no child process, or has ended.
    pub fn ask_server_to_stop(&self) {
        self.signal_server(Signal::TERM);
    }

    fn signal_server(&self, signal: Signal) {
        let pid = self.server.and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
        kill_process(pid.expect("the server is a child process"), signal).expect("a child can be signalled");
    }

    /// The same with a server that may be gone.
    pub async fn try_http(url: &str, revision: Revision) -> Result<Self, ClientInitializeError> {
        Self::try_connect(StreamableHttpClientTransport::from_uri(url), revision).await
    }

    async fn connect<T, E, A>(transport: T, revision: Revision) -> Self
    where
        T: IntoTransport<RoleClient, E, A>,
        E: std::error::Error + Send + Sync + 'static,
    {
        let connection = answered("the connection", Self::try_connect(transport, revision)).await;
        connection.expect("the server can be connected to")
    }

    async fn try_connect<T, E, A>(transport: T, revision: Revision) -> Result<Self, ClientInitializeError>
    where
        T: IntoTransport<RoleClient, E, A>,
        E: std::error::Error + Send + Sync + 'static,
    {
        let (version, lifecycle) = match revision {
            Revision::November2025 => (ProtocolVersion::V_2025_11_25, ClientLifecycleMode::Initialize),
            Revision::July2026 => (
                ProtocolVersion::V_2026_07_28,
                ClientLifecycleMode::Discover { preferred_versions: vec![ProtocolVersion::V_2026_07_28] },
            ),
        };
        let identity = Implementation::new("durable-tests", env!("CARGO_PKG_VERSION"));
        let config = ClientConfig::new(ClientCapabilities::default(), identity).with_protocol_version(version);
        let connection = serve_client_with_lifecycle(config, transport, lifecycle).await?;
        Ok(Self { connection, server: None })
    }

    /// The tools that the server offers.
    ///
    /// # Panics
    ///
    /// When it does not say.
    pub async fn tools(&self) -> Vec<Tool> {
        let tools = answered("the list of tools", self.connection.list_all_tools()).await;
        tools.expect("the tools are listed")
    }

    /// Makes a call.
    pub async fn call(&self, tool: &str, arguments: &Value) -> Result<CallToolResult, ServiceError> {
        self.request(tool, arguments, None).await
    }

    /// Makes a call with an idempotency key in its `_meta`.
    pub async fn call_keyed(&self, tool: &str, arguments: &Value, key: &str) -> Result<CallToolResult, ServiceError> {
        self.request(tool, arguments, Some(key.into())).await
    }

    /// Makes a call with this as `_meta["durable/idempotency-key"]`.
    ///
    /// # Panics
    ///
    /// When the arguments are no object, or no answer comes.
    pub async fn request(
        &self,
        tool: &str,
        arguments: &Value,
        key: Option<Value>,
    ) -> Result<CallToolResult, ServiceError> {
        let arguments = arguments.as_object().expect("arguments are an object");
        let mut params = CallToolRequestParams::new(tool.to_owned()).with_arguments(arguments.clone());
        if let Some(key) = key {
            let mut meta = RequestMetaObject::new();
            meta.0.0.insert("durable/idempotency-key".to_owned(), key);
            params.meta = Some(meta);
        }
        answered(tool, self.connection.call_tool(params)).await
    }

    /// Makes a call that succeeds, and gives its value.
    ///
    /// # Panics
    ///
    /// When it does not succeed.
    pub async fn value(&self, tool: &str, arguments: &Value) -> Value {
        let result = self.call(tool, arguments).await;
        structured(&result.expect("the call is answered"))
    }

    /// The same with an idempotency key.
    ///
    /// # Panics
    ///
    /// When it does not succeed.
    pub async fn value_keyed(&self, tool: &str, arguments: &Value, key: &str) -> Value {
        let result = self.call_keyed(tool, arguments, key).await;
        structured(&result.expect("the call is answered"))
    }

    /// Ends the connection; a server that is a child process ends too.
    ///
    /// # Panics
    ///
    /// When it does not end.
    pub async fn close(self) {
        let closed = answered("the end of the connection", self.connection.cancel()).await;
        closed.expect("the connection ends");
    }
}

/// The value of a result, which is there twice and the same: as structured content and as one block of text.
///
/// # Panics
///
/// When the result is an error, or the two differ.
pub fn structured(result: &CallToolResult) -> Value {
    assert_ne!(result.is_error, Some(true), "{}", text(result));
    let value: Value = serde_json::from_str(text(result)).expect("the text is JSON");
    assert_eq!(result.structured_content.as_ref(), Some(&value));
    value
}

/// The text of a result that is one block of text.
///
/// # Panics
///
/// When it is something else.
pub fn text(result: &CallToolResult) -> &str {
    match result.content.as_slice() {
        [block] => &block.as_text().expect("the block is text").text,
        blocks => panic!("{} blocks in place of one", blocks.len()),
    }
}

/// The error of a call that was refused as `-32602`.
///
/// # Panics
///
/// When it was not.
pub fn refusal(answer: Result<CallToolResult, ServiceError>) -> ErrorData {
    match answer {
        Err(ServiceError::McpError(error)) => {
            assert_eq!(error.code, ErrorCode::INVALID_PARAMS, "{error:?}");
            error
        }
        other => panic!("no error of the protocol: {other:?}"),
    }
}
