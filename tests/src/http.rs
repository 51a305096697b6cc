//! Requests over HTTP by hand, with headers that the protocol's client does not send.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};

use crate::client::Revision;
use crate::events::Events;
use crate::wait::answered;

/// A client of one server, in one revision.
#[derive(Clone, Debug)]
pub struct HttpClient {
    client: reqwest::Client,
    url: String,
    revision: Revision,
    session: Option<String>,
    /// A session's requests have different ids.
    requests: Arc<AtomicU64>,
    capabilities: Value,
    bearer: Option<String>,
}

/// An answer over HTTP.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status of the response.
    pub status: u16,
    /// The JSON-RPC message in it, as it came; the whole body if there is none.
    pub body: String,
    /// Whether it came as a stream of events.
    pub is_stream: bool,
    /// The length that was told before the body.
    pub length: Option<u64>,
}

impl Reply {
    /// The JSON-RPC message.
    ///
    /// # Panics
    ///
    /// When there is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("{} and no JSON: {}", self.status, self.body))
    }

    /// The bytes of `structuredContent`, as they came.
    ///
    /// # Panics
    ///
    /// When there are none.
    pub fn structured_bytes(&self) -> &str {
        let name = "\"structuredContent\":";
        let start = self.body.find(name).expect("the result has structured content") + name.len();
        let rest = &self.body[start..];
        let mut values = serde_json::Deserializer::from_str(rest).into_iter::<Value>();
        values.next().expect("a value follows").expect("it is JSON");
        &rest[..values.byte_offset()]
    }
}

impl HttpClient {
    /// A client that is ready to call tools.
    ///
    /// # Panics
    ///
    /// When the server does not begin a session.
    pub async fn connect(url: &str, revision: Revision) -> Self {
        Self::connect_as(url, revision, None, json!({})).await
    }

    /// The same with a bearer token, and capabilities of the client.
    ///
    /// # Panics
    ///
    /// When the server does not begin a session.
    pub async fn connect_as(url: &str, revision: Revision, bearer: Option<&str>, capabilities: Value) -> Self {
        let mut client = Self {
            client: reqwest::Client::new(),
            url: url.to_owned(),
            revision,
            session: None,
            requests: Arc::default(),
            capabilities,
            bearer: bearer.map(str::to_owned),
        };
        client.begin_session().await.expect("the server responds");
        client
    }

    /// The same as [`connect`](Self::connect) with a server that may be gone; `None` when it is.
    pub async fn try_connect(url: &str, revision: Revision, capabilities: Value) -> Option<Self> {
        let mut client = Self {
            client: reqwest::Client::new(),
            url: url.to_owned(),
            revision,
            session: None,
            requests: Arc::default(),
            capabilities,
            bearer: None,
        };
        client.begin_session().await.ok()?;
        Some(client)
    }

    async fn begin_session(&mut self) -> reqwest::Result<()> {
        let client = self;
        let revision = client.revision;
        if revision == Revision::November2025 {
            let params = json!({
                "protocolVersion": revision.version(),
                "capabilities": client.capabilities,
                "clientInfo": { "name": "durable-tests", "version": "0" },
            });
            let response = client.try_send("initialize", params, &[]).await?;
            let session = response.headers().get("mcp-session-id").expect("a session begins");
            client.session = Some(session.to_str().expect("its id is text").to_owned());
            let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
            let accepted = client.try_post(initialized.to_string(), &[]).await?;
            assert_eq!(accepted.status(), 202);
        }
        Ok(())
    }

    /// Calls a tool, with these headers more.
    pub async fn call(&self, tool: &str, arguments: &Value, headers: &[(&str, &str)]) -> Reply {
        self.call_with_meta(tool, arguments, json!({}), headers).await
    }

    /// Calls a tool, with these headers and entries of `_meta` more.
    pub async fn call_with_meta(&self, tool: &str, arguments: &Value, meta: Value, headers: &[(&str, &str)]) -> Reply {
        let mut params = json!({ "name": tool, "arguments": arguments });
        params["_meta"] = meta;
        let mut headers = headers.to_vec();
        if self.revision == Revision::July2026 {
            headers.push(("mcp-name", tool));
        }
        reply(self.send("tools/call", params, &headers).await).await
    }

    /// Makes a request with these parameters.
    pub async fn request(&self, method: &str, params: Value, headers: &[(&str, &str)]) -> Reply {
        reply(self.send(method, params, headers).await).await
    }

    /// Makes a request that is answered with a stream, of which nothing is read yet.
    pub async fn begin_request(&self, method: &str, params: Value) -> Events {
        Events::new(self.send(method, params, &[]).await)
    }

    /// Makes a call again with answers to its questions and the state that came with them.
    pub async fn call_with_answers(&self, tool: &str, arguments: &Value, state: &Value, answers: Value) -> Reply {
        let params = json!({ "name": tool, "arguments": arguments, "requestState": state, "inputResponses": answers });
        self.request("tools/call", params, &[("mcp-name", tool)]).await
    }

    /// Answers a question of the server, and gives the status of the response.
    pub async fn answer(&self, id: &Value, result: Value) -> u16 {
        let answer = json!({ "jsonrpc": "2.0", "id": id, "result": result });
        self.post(answer.to_string(), &[]).await.status().as_u16()
    }

    /// Answers questions of a task.
    pub async fn update_task(&self, id: &str, answers: Value) -> Reply {
        let params = json!({ "taskId": id, "inputResponses": answers });
        self.request("tasks/update", params, &[("mcp-name", id)]).await
    }

    /// Asks for the state of a task.
    pub async fn task(&self, id: &str) -> Reply {
        reply(self.send("tasks/get", json!({ "taskId": id }), &[("mcp-name", id)]).await).await
    }

    /// Cancels a task.
    pub async fn cancel_task(&self, id: &str) -> Reply {
        reply(self.send("tasks/cancel", json!({ "taskId": id }), &[("mcp-name", id)]).await).await
    }

    /// Calls a tool, and gives the stream on which it is answered, with nothing read of it yet.
    pub async fn begin(&self, tool: &str, arguments: &Value) -> Events {
        self.begin_with_meta(tool, arguments, json!({})).await
    }

    /// The same with these entries of `_meta`.
    pub async fn begin_with_meta(&self, tool: &str, arguments: &Value, meta: Value) -> Events {
        let mut params = json!({ "name": tool, "arguments": arguments });
        params["_meta"] = meta;
        let headers: &[(&str, &str)] = if self.revision == Revision::July2026 { &[("mcp-name", tool)] } else { &[] };
        Events::new(self.send("tools/call", params, headers).await)
    }

    /// Makes a request of a server that may be gone, and gives the JSON-RPC message of the answer; `None` when it is.
    pub async fn try_request(&self, method: &str, params: Value, headers: &[(&str, &str)]) -> Option<Value> {
        let response = self.try_send(method, params, headers).await.ok()?;
        let text = answered("the response's body", response.text()).await.ok()?;
        let last =
            text.lines().filter_map(|line| line.strip_prefix("data:")).map(str::trim).rfind(|data| !data.is_empty());
        serde_json::from_str(last.unwrap_or(&text)).ok()
    }

    /// The same as [`begin`](Self::begin) with a server that may be gone; `None` when it is, or has begun nothing.
    pub async fn try_begin(&self, tool: &str, arguments: &Value) -> Option<Events> {
        let params = json!({ "name": tool, "arguments": arguments });
        let response = self.try_send("tools/call", params, &[]).await.ok()?;
        response.status().is_success().then(|| Events::new(response))
    }

    /// The same as [`come_back`](Self::come_back) with a server that may be gone; `None` when it is.
    pub async fn try_come_back(&self, last_event: &str) -> Option<Events> {
        let response = answered("the response", self.get().header("last-event-id", last_event).send()).await;
        response.ok().map(Events::new)
    }

    /// Comes back to a stream after this event.
    ///
    /// # Panics
    ///
    /// When the server does not respond.
    pub async fn come_back(&self, last_event: &str) -> Events {
        let response = answered("the response", self.get().header("last-event-id", last_event).send()).await;
        Events::new(response.expect("the server responds"))
    }

    /// Opens the stream of what no request asked for.
    ///
    /// # Panics
    ///
    /// When the server does not respond.
    pub async fn listen(&self) -> Events {
        let response = answered("the response", self.get().send()).await;
        Events::new(response.expect("the server responds"))
    }

    /// Ends the session.
    ///
    /// # Panics
    ///
    /// When the server does not respond.
    pub async fn end_session(&self) -> u16 {
        let session = self.session.as_deref().expect("a session has begun");
        let request = self.client.delete(&self.url).header("mcp-session-id", session);
        let mut request = request.header("mcp-protocol-version", self.revision.version());
        if let Some(token) = &self.bearer {
            request = request.bearer_auth(token);
        }
        let response = answered("the response", request.send()).await;
        response.expect("the server responds").status().as_u16()
    }

    /// Tells the server that a request is cancelled.
    pub async fn cancel(&self, request: u64) -> u16 {
        let params = json!({ "requestId": request, "reason": "not needed any more" });
        let notification = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": params });
        self.post(notification.to_string(), &[]).await.status().as_u16()
    }

    /// The same client with the session of another one.
    #[must_use]
    pub fn with_session_of(&self, other: &Self) -> Self {
        Self { session: other.session.clone(), ..self.clone() }
    }

    /// The same client, with its session, of a server that listens elsewhere now.
    #[must_use]
    pub fn moved_to(&self, url: &str) -> Self {
        Self { url: url.to_owned(), client: reqwest::Client::new(), ..self.clone() }
    }

    fn get(&self) -> reqwest::RequestBuilder {
        let session = self.session.as_deref().expect("a session has begun");
        let request = self.client.get(&self.url).header("accept", "text/event-stream");
        let request = request.header("mcp-session-id", session).header("mcp-protocol-version", self.revision.version());
        match &self.bearer {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// Sends a body as it is, with these headers more.
    pub async fn raw(&self, body: impl Into<reqwest::Body>, headers: &[(&str, &str)]) -> Reply {
        reply(self.post(body, headers).await).await
    }

    async fn send(&self, method: &str, params: Value, headers: &[(&str, &str)]) -> reqwest::Response {
        self.try_send(method, params, headers).await.expect("the server responds")
    }

    async fn try_send(
        &self,
        method: &str,
        mut params: Value,
        headers: &[(&str, &str)],
    ) -> reqwest::Result<reqwest::Response> {
        let mut headers = headers.to_vec();
        if self.revision == Revision::July2026 {
            let meta = &mut params["_meta"];
            meta["io.modelcontextprotocol/protocolVersion"] = self.revision.version().into();
            meta["io.modelcontextprotocol/clientCapabilities"] = self.capabilities.clone();
            headers.push(("mcp-method", method));
        }
        let id = self.requests.fetch_add(1, Ordering::Relaxed);
        let request = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        self.try_post(request.to_string(), &headers).await
    }

    async fn post(&self, body: impl Into<reqwest::Body>, headers: &[(&str, &str)]) -> reqwest::Response {
        self.try_post(body, headers).await.expect("the server responds")
    }

    async fn try_post(
        &self,
        body: impl Into<reqwest::Body>,
        headers: &[(&str, &str)],
    ) -> reqwest::Result<reqwest::Response> {
        let mut all = HeaderMap::new();
        let session = self.session.as_deref().map(|session| ("mcp-session-id", session));
        let bearer = self.bearer.as_ref().map(|token| format!("Bearer {token}"));
        let bearer = bearer.as_deref().map(|value| ("authorization", value));
        let common = [
            ("content-type", "application/json"),
            ("accept", "application/json, text/event-stream"),
            ("mcp-protocol-version", self.revision.version()),
        ];
        for (name, value) in common.iter().chain(session.iter()).chain(bearer.iter()).chain(headers) {
            let name = HeaderName::from_bytes(name.as_bytes()).expect("it is a name");
            all.append(name, HeaderValue::from_str(value).expect("it is a value"));
        }
        let request = self.client.post(&self.url).headers(all).body(body);
        answered("the response", request.send()).await
    }
}

/// Reads a response: one JSON document, or a stream of events of which the last one is the answer.
async fn reply(response: reqwest::Response) -> Reply {
    let status = response.status().as_u16();
    let is_stream =
        response.headers().get("content-type").is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
    let length = response.content_length();
    let text = answered("the response's body", response.text()).await;
    let text = text.expect("the body is text");
    let body = if is_stream {
        let events = text.lines().filter_map(|line| line.strip_prefix("data:"));
        let last = events.map(str::trim).rfind(|data| !data.is_empty());
        last.expect("the stream has an answer").to_owned()
    } else {
        text
    };
    Reply { status, body, is_stream, length }
}
