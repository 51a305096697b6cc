//! What clients of the protocol see, over both transports and in both revisions.

use std::fmt;

use durable_tests::{Client, Fixture, Revision, ServerProcess};

#[path = "mcp/ask.rs"]
mod ask;
#[path = "mcp/beside.rs"]
mod beside;
#[path = "mcp/http.rs"]
mod http;
#[path = "mcp/key.rs"]
mod key;
#[path = "mcp/load.rs"]
mod load;
#[path = "mcp/mount.rs"]
mod mount;
#[path = "mcp/principal.rs"]
mod principal;
#[path = "mcp/refusal.rs"]
mod refusal;
#[path = "mcp/session.rs"]
mod session;
#[path = "mcp/shown.rs"]
mod shown;
#[path = "mcp/task.rs"]
mod task;
#[path = "mcp/tool.rs"]
mod tool;

fn fixture() -> Fixture {
    Fixture::new(env!("CARGO_BIN_EXE_durable-test-server"))
}

/// A client with a server of its own.
struct Connected {
    client: Client,
    fixture: Fixture,
    transport: &'static str,
    revision: Revision,
    server: Option<ServerProcess>,
}

impl Connected {
    /// One for each transport and revision.
    async fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for revision in Revision::ALL {
            let fixture = fixture();
            let server = fixture.start(&[]);
            all.push(Self {
                client: Client::http(server.url(), revision).await,
                fixture,
                transport: "http",
                revision,
                server: Some(server),
            });
            let fixture = self::fixture();
            all.push(Self {
                client: Client::stdio(&fixture, revision).await,
                fixture,
                transport: "stdio",
                revision,
                server: None,
            });
        }
        all
    }

    /// How many batches the store has committed.
    async fn commits(&self) -> u64 {
        let commits = self.client.value("commits", &serde_json::json!({})).await;
        commits["batches"].as_u64().expect("a number")
    }

    async fn close(self) {
        self.client.close().await;
        if let Some(server) = self.server {
            server.stop().await;
        }
    }
}

impl fmt::Display for Connected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.transport, self.revision.version())
    }
}
