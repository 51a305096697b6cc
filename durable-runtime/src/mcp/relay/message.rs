//! What a relay reads in messages of the protocol, and adds to them.

use serde_json::{Map, Value, json};

use super::line::META;
use super::request::Number;

/// The id of a request or a response, as JSON.
pub(super) fn id_of(message: &Value) -> Option<String> {
    message.get("id").filter(|id| !id.is_null()).map(Value::to_string)
}

/// The method of a request or a notification.
pub(super) fn method_of(message: &Value) -> Option<&str> {
    message.get("method").and_then(Value::as_str)
}

/// Adds its number to a request, or to the notification that it is given up.
pub(super) fn numbered(mut message: Value, number: Number) -> Value {
    let params = message.as_object_mut().map(|message| message.entry("params").or_insert_with(|| json!({})));
    if let Some(params) = params.and_then(Value::as_object_mut) {
        let meta = params.entry("_meta").or_insert_with(|| Value::Object(Map::new()));
        if let Some(meta) = meta.as_object_mut() {
            meta.insert(META.to_owned(), json!(number));
        }
    }
    message
}

/// Whether a request may be made at the next owner without harm. A call of a tool may, for the owner tells from its number
/// whether it was made before.
pub(super) fn is_repeatable(method: &str) -> bool {
    let family = method.split_once('/').map_or(method, |(family, _)| family);
    ["initialize", "ping", "server", "tools", "prompts", "resources", "subscriptions", "completion", "logging", "tasks"]
        .contains(&family)
}

/// Whether an invocation can come of the request.
pub(super) fn makes_invocation(method: &str) -> bool {
    matches!(method, "tools/call" | "prompts/get" | "resources/read")
}

/// Whether a server takes notifications after this request, if it is the first one.
pub(super) fn begins(method: &str) -> bool {
    !matches!(method, "ping" | "server/discover")
}

/// The id of a message that is not whole, if it is where it can be found: before or after the other members, of which only
/// `params` is long.
pub(super) fn id_in(line: &[u8]) -> Option<Value> {
    let text = String::from_utf8_lossy(line);
    let params = text.find("\"params\"").unwrap_or(text.len());
    let (_, after) = text[..params].split_once("\"id\"")?;
    let value = after.trim_start().strip_prefix(':')?;
    let id: Value = serde_json::Deserializer::from_str(value).into_iter().next()?.ok()?;
    (id.is_string() || id.is_number()).then_some(id)
}
