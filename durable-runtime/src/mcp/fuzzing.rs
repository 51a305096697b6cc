//! The bytes that clients send.
#![allow(clippy::missing_panics_doc, reason = "that a target does not panic is what is tried")]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::LazyLock;
use std::time::Duration;

use rmcp::service::ServiceExt as _;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::runtime::Runtime;

use super::handler::Handler;
use super::round::{Binding, Rounds};
use super::secret::Secret;
use super::server::Server;
use crate::prelude::*;
use crate::store::{GroupCommit, MemoryBackend};

/// Each answer is there within this time.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Debug, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
struct Place {
    city: String,
    floors: Vec<i8>,
    next: Option<Box<Place>>,
}

#[derive(Debug, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Shape {
    Point { at: (f64, f64) },
    Tagged { names: std::collections::BTreeMap<String, u64> },
}

/// Takes arguments of many types.
#[durable_tool(idempotency = "args")]
async fn take(
    _cx: &DurableContext,
    text: String,
    number: u64,
    place: Option<Place>,
    shape: Option<Shape>,
    #[arg(default = 1.5)] weight: f32,
) -> Result<String, ToolError> {
    Ok(format!("{text} {number} {place:?} {shape:?} {weight}"))
}

struct Served {
    runtime: Runtime,
    server: Server,
    address: SocketAddr,
    rounds: Rounds,
}

static SERVED: LazyLock<Served> = LazyLock::new(|| {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let (server, address, rounds) = runtime.block_on(async {
        let store = GroupCommit::new(MemoryBackend::default()).expect("a thread");
        let secret =
            Secret::of(&store, crate::chance::Chance::secret(&crate::chance::SystemChance)).await.expect("a secret");
        let server = Server::builder("fuzzed", "0").custom_store(store).tool(take).open().await.expect("a server");
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("an address");
        let address = listener.local_addr().expect("an address");
        let router = axum::Router::new().nest_service("/mcp", server.service());
        tokio::spawn(async { axum::serve(listener, router).await });
        (server, address, Rounds::new(&secret))
    });
    Served { runtime, server, address, rounds }
});

/// The id of an event: what is read is written as it was.
pub fn event_id(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        super::session::reread_event_id(text);
    }
}

/// A `requestState` that this server did not make.
pub fn request_state(data: &[u8]) {
    if let Ok(state) = std::str::from_utf8(data) {
        let opened = SERVED.rounds.open(state, &Binding::new("ada", "take", &Value::Null));
        let error = opened.expect_err("nobody has the secret");
        assert_eq!(error.code(), "request_state_invalid");
    }
}

/// Arguments against a schema, and decoded.
pub fn arguments(data: &[u8]) {
    let Ok(arguments) = serde_json::from_slice::<Value>(data) else { return };
    let parts = &SERVED.server.parts;
    let mistakes = parts.contract.mistakes("take", &arguments);
    let registered = parts.engine.tools().get("take").expect("it is there");
    // The schema is no looser than the types, but for whole numbers that are written as others are: `7.0`, `1e30`.
    if let Err(error) = parts.engine.tools().prepare(registered, arguments) {
        assert!(!mistakes.is_empty() || error.to_string().contains("floating point"), "{error}");
    }
}

/// A client over standard input.
pub fn stdio(data: &[u8]) {
    let (mut client, served) = tokio::io::duplex(1 << 16);
    let input = data.to_vec();
    SERVED.runtime.block_on(async move {
        let serving = tokio::spawn(async move {
            if let Ok(running) = Handler::new(SERVED.server.clone(), "stdio").serve(served).await {
                let _why = running.waiting().await;
            }
        });
        let (mut answers, mut questions) = tokio::io::split(&mut client);
        let mut heard = Vec::new();
        let talking = async {
            let said = async {
                // It may hang up before all is said.
                let _hung_up = questions.write_all(&input).await;
                let _hung_up = questions.shutdown().await;
            };
            tokio::join!(said, answers.read_to_end(&mut heard)).1
        };
        let talked = tokio::time::timeout(PATIENCE, talking).await;
        let _end = talked.expect("it hangs up when its input has ended");
        tokio::time::timeout(PATIENCE, serving).await.expect("it ends").expect("it does not panic");
    });
}

/// The body of a request over HTTP, in the revision that the first byte chooses.
pub fn http(data: &[u8]) {
    let Some((choice, body)) = data.split_first() else { return };
    let version = if choice & 1 == 0 { "2026-07-28" } else { "2025-11-25" };
    let status = SERVED.runtime.block_on(async {
        let address = SERVED.address;
        let head = format!(
            "POST /mcp HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\naccept: application/json, \
             text/event-stream\r\nmcp-protocol-version: {version}\r\nmcp-method: tools/call\r\nmcp-name: take\r\n\
             content-length: {}\r\nconnection: close\r\n\r\n",
            body.len()
        );
        let body = body.to_vec();
        tokio::task::spawn_blocking(move || {
            let mut connection = TcpStream::connect(address).expect("it listens");
            connection.set_read_timeout(Some(PATIENCE)).expect("a timeout");
            connection.write_all(head.as_bytes()).and_then(|()| connection.write_all(&body)).expect("it reads");
            let mut status = [0; 12];
            connection.read_exact(&mut status).expect("it answers");
            String::from_utf8_lossy(&status).into_owned()
        })
        .await
        .expect("no panic")
    });
    assert!(status.starts_with("HTTP/1.1 2") || status.starts_with("HTTP/1.1 4"), "{status}: {}", json!(data));
}
