//! The messages that are sent.

use durable_examples::flags::Revision;
use serde_json::{Value, json};

/// Stands in a message where the request's id comes.
const ID: &str = "\"@id\"";

/// The messages of one client.
#[derive(Clone, Debug)]
pub(crate) struct Requests {
    pub(crate) revision: Revision,
    pub(crate) tool: String,
    before_id: String,
    after_id: String,
}

impl Requests {
    pub(crate) fn new(revision: Revision, tool: &str) -> Self {
        let mut params = json!({ "name": tool, "arguments": { "name": "ada" } });
        if revision == Revision::July2026 {
            params["_meta"] = json!({
                "io.modelcontextprotocol/protocolVersion": revision.version(),
                "io.modelcontextprotocol/clientInfo": client(),
                "io.modelcontextprotocol/clientCapabilities": {},
            });
        }
        let call = json!({ "jsonrpc": "2.0", "id": "@id", "method": "tools/call", "params": params }).to_string();
        let (before_id, after_id) = call.split_once(ID).unwrap_or((&call, ""));
        Self { revision, tool: tool.to_owned(), before_id: before_id.to_owned(), after_id: after_id.to_owned() }
    }

    /// A call under this id.
    pub(crate) fn call(&self, id: u64) -> String {
        format!("{}{id}{}", self.before_id, self.after_id)
    }

    /// The first message of a session.
    pub(crate) fn initialize(&self) -> String {
        let params = json!({
            "protocolVersion": self.revision.version(),
            "capabilities": {},
            "clientInfo": client(),
        });
        json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params }).to_string()
    }

    /// The second message of a session.
    pub(crate) fn initialized() -> String {
        json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }).to_string()
    }
}

fn client() -> Value {
    json!({ "name": "bench-load", "version": env!("CARGO_PKG_VERSION") })
}

/// Whether the text of a response is that of a call that succeeded.
pub(crate) fn is_success(response: &str) -> bool {
    response.contains("\"structuredContent\"") && !response.contains("\"isError\":true")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn call_is_json_with_its_id_in_both_revisions() {
        for revision in [Revision::November2025, Revision::July2026] {
            let call: Value =
                serde_json::from_str(&Requests::new(revision, "five_at_most").call(7)).expect("it is JSON");
            assert_eq!(call["id"], 7);
            assert_eq!(call["params"]["name"], "five_at_most");
            assert_eq!(call["params"]["_meta"].is_object(), revision == Revision::July2026);
        }
    }

    #[test]
    fn errors_are_no_successes() {
        assert!(is_success(r#"{"result":{"structuredContent":{"status":"success"},"isError":false}}"#));
        assert!(!is_success(r#"{"result":{"content":[],"isError":true}}"#));
        assert!(!is_success(r#"{"error":{"code":-32602}}"#));
    }
}
