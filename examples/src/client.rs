//! A client that prints what it asks and what comes back, and fails when that is not as expected.

use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use rmcp::{
    RoleClient,
    model::{
        CallToolRequestParams, CallToolResult, ClientCapabilities, ClientConfig, Implementation, ProtocolVersion,
        RequestMetaObject,
    },
    service::{ClientLifecycleMode, RunningService, serve_client_with_lifecycle},
    transport::StreamableHttpClientTransport,
};
use serde_json::Value;

use crate::flags::{ClientFlags, Revision};

/// The `_meta` field that carries a call's idempotency key.
const IDEMPOTENCY_KEY: &str = "durable/idempotency-key";

// Longer than any call of the examples, also with `--slow`; a client must not hang where nobody watches it.
const PATIENCE: Duration = Duration::from_secs(60);

/// A connection to an example server.
#[derive(Debug)]
pub struct Client {
    connection: RunningService<RoleClient, ClientConfig>,
}

impl Client {
    /// Connects to the server at `url`, such as `http://127.0.0.1:9991/mcp`.
    ///
    /// # Errors
    ///
    /// When nothing answers there, or what answers does not speak this revision.
    pub async fn connect(url: &str, revision: Revision) -> anyhow::Result<Self> {
        let (version, lifecycle) = match revision {
            Revision::November2025 => (ProtocolVersion::V_2025_11_25, ClientLifecycleMode::Initialize),
            Revision::July2026 => {
                let preferred_versions = vec![ProtocolVersion::V_2026_07_28];
                (ProtocolVersion::V_2026_07_28, ClientLifecycleMode::Discover { preferred_versions })
            }
        };
        let identity = Implementation::new("durable-examples-client", env!("CARGO_PKG_VERSION"));
        let config = ClientConfig::new(ClientCapabilities::default(), identity).with_protocol_version(version);
        let transport = StreamableHttpClientTransport::from_uri(url);
        let connecting = serve_client_with_lifecycle(config, transport, lifecycle);
        let connection = tokio::time::timeout(PATIENCE, connecting)
            .await
            .with_context(|| format!("`{url}` does not answer"))?
            .with_context(|| format!("cannot connect to `{url}`; is the server running?"))?;
        Ok(Self { connection })
    }

    /// Prints the tools that the server offers, and checks that they are the expected ones, in any order.
    ///
    /// # Errors
    ///
    /// When they are not, or one has no description.
    pub async fn expect_tools(&self, expected: &[&str]) -> anyhow::Result<()> {
        let tools = tokio::time::timeout(PATIENCE, self.connection.peer().list_all_tools())
            .await
            .context("`tools/list` is not answered")??;
        println!("The server offers {} tools:", tools.len());
        for tool in &tools {
            let description = tool.description.as_deref().unwrap_or_default();
            ensure!(!description.is_empty(), "tool `{}` has no description", tool.name);
            println!("  {}: {}", tool.name, description.lines().next().unwrap_or_default());
        }
        println!();
        let mut offered: Vec<&str> = tools.iter().map(|tool| tool.name.as_ref()).collect();
        let mut expected = expected.to_vec();
        offered.sort_unstable();
        expected.sort_unstable();
        ensure!(offered == expected, "expected the tools {expected:?}, but the server offers {offered:?}");
        Ok(())
    }

    /// Calls a tool, prints the call and its result, and gives the result's JSON.
    ///
    /// # Errors
    ///
    /// When the call fails, its result is an error, or its text is not the JSON of its structured content.
    pub async fn call(&self, tool: &str, arguments: &Value) -> anyhow::Result<Value> {
        println!("> {tool} {arguments}");
        let result = self.request(tool, arguments, None).await?;
        let content = structured_content(tool, &result)?;
        println!("< {}\n", text(&result).unwrap_or_default());
        Ok(content)
    }

    /// Calls a tool and checks that its result's JSON is `expected`.
    ///
    /// # Errors
    ///
    /// As [`Self::call`], and when the result is another one.
    pub async fn expect(&self, tool: &str, arguments: &Value, expected: &Value) -> anyhow::Result<()> {
        let content = self.call(tool, arguments).await?;
        ensure!(&content == expected, "expected `{tool}` to give {expected}, but got {content}");
        Ok(())
    }

    /// Calls a tool, with an idempotency key if there is one, and gives the result as it came. Prints nothing.
    ///
    /// # Errors
    ///
    /// When the call is refused, the connection breaks, or no answer comes within a minute.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future tells the server that the call is cancelled.
    pub async fn request(&self, tool: &str, arguments: &Value, key: Option<&str>) -> anyhow::Result<CallToolResult> {
        let Value::Object(arguments) = arguments else {
            bail!("the arguments of a tool are a JSON object, not {arguments}");
        };
        let mut params = CallToolRequestParams::new(tool.to_owned()).with_arguments(arguments.clone());
        if let Some(key) = key {
            let mut meta = RequestMetaObject::new();
            meta.0.0.insert(IDEMPOTENCY_KEY.to_owned(), key.into());
            params.meta = Some(meta);
        }
        tokio::time::timeout(PATIENCE, self.connection.call_tool(params))
            .await
            .with_context(|| format!("no answer to the call of `{tool}`"))?
            .with_context(|| format!("the call of `{tool}` failed"))
    }

    /// Closes the connection.
    pub async fn close(mut self) {
        // The server does not need our farewell; a client that is done does not wait long to give it.
        let _ = self.connection.close_with_timeout(Duration::from_secs(2)).await;
    }
}

/// Gives the JSON of a result, which must be there twice and be the same: as structured content and as a block of text.
///
/// # Errors
///
/// When the result is an error, or the two differ.
pub fn structured_content(tool: &str, result: &CallToolResult) -> anyhow::Result<Value> {
    let text = text(result).with_context(|| format!("`{tool}` gave no single block of text: {:?}", result.content))?;
    ensure!(result.is_error != Some(true), "`{tool}` gave an error: {text}");
    let structured = result.structured_content.clone();
    let structured = structured.with_context(|| format!("`{tool}` gave no structured content: {text}"))?;
    let parsed: Value =
        serde_json::from_str(text).with_context(|| format!("the text of `{tool}` is not JSON: {text}"))?;
    ensure!(parsed == structured, "`{tool}` gave the text {text}, but the structured content {structured}");
    Ok(structured)
}

/// Makes the one call that the flags ask for and prints its result, or says that they ask for none.
///
/// # Errors
///
/// When the arguments are not JSON, the call fails, or its result is an error.
pub async fn call_by_hand(client: &Client, flags: &ClientFlags) -> anyhow::Result<bool> {
    let Some(tool) = &flags.call else {
        return Ok(false);
    };
    let arguments = serde_json::from_str(&flags.arguments)
        .with_context(|| format!("`--arguments` is not JSON: {}", flags.arguments))?;
    let result = client.request(tool, &arguments, flags.key.as_deref()).await?;
    structured_content(tool, &result)?;
    println!("{}", text(&result).unwrap_or_default());
    Ok(true)
}

/// Gives the text of a result that is one block of text, its members in the server's order.
pub fn text(result: &CallToolResult) -> Option<&str> {
    match result.content.as_slice() {
        [block] => block.as_text().map(|text| text.text.as_str()),
        _ => None,
    }
}
