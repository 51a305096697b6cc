//! Resources: what clients can read under a URI.

use serde_json::{Map, Value};

use crate::tool::Tool;

/// What stands in front of a resource's URI where resources and tools are beside each other. No tool has a name with a colon.
pub(crate) const PREFIX: &str = "resource:";

/// A resource, or a template of many. `#[durable_resource]` implements it.
pub trait Resource: Tool {}

/// A part of the template of a URI (RFC 6570, level 1).
#[derive(Debug, PartialEq, Eq)]
enum Part<'a> {
    Literal(&'a str),
    Variable(&'a str),
}

fn parts(template: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut rest = template;
    while let Some((literal, after)) = rest.split_once('{') {
        let Some((variable, after)) = after.split_once('}') else { break };
        parts.extend([Part::Literal(literal), Part::Variable(variable)]);
        rest = after;
    }
    parts.push(Part::Literal(rest));
    parts
}

/// Whether a URI stands for many.
pub(crate) fn is_template(uri: &str) -> bool {
    uri.contains('{')
}

/// The variables of a template in a URI, if it fits. A variable is not empty and has no `/`.
pub(crate) fn matches(template: &str, uri: &str) -> Option<Map<String, Value>> {
    let parts = parts(template);
    let mut found = Map::new();
    let mut rest = uri;
    let mut pending: Option<&str> = None;
    for (index, part) in parts.iter().enumerate() {
        match part {
            Part::Variable(name) => pending = Some(name),
            Part::Literal(literal) => {
                let is_last = index + 1 == parts.len();
                let Some(name) = pending.take() else {
                    rest = rest.strip_prefix(literal)?;
                    continue;
                };
                let end = if is_last && literal.is_empty() {
                    rest.len()
                } else if is_last {
                    rest.len().checked_sub(literal.len()).filter(|_| rest.ends_with(literal))?
                } else {
                    rest.find(literal)?
                };
                let value = &rest[..end];
                if value.is_empty() || value.contains('/') {
                    return None;
                }
                let value = percent_encoding::percent_decode_str(value).decode_utf8().ok()?;
                found.insert(name.to_owned(), Value::String(value.into_owned()));
                rest = &rest[end + literal.len()..];
            }
        }
    }
    rest.is_empty().then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_gives_the_variables_of_its_template() {
        let found = |template, uri| matches(template, uri).map(Value::Object);
        assert_eq!(found("test://a", "test://a"), Some(serde_json::json!({})));
        assert_eq!(found("test://a", "test://b"), None);
        assert_eq!(found("test://{id}/data", "test://123/data"), Some(serde_json::json!({ "id": "123" })));
        assert_eq!(found("test://{id}/data", "test:///data"), None);
        assert_eq!(found("test://{id}/data", "test://1/2/data"), None);
        assert_eq!(found("test://{id}/data", "test://1/data/more"), None);
        assert_eq!(found("f://{a}-{b}", "f://x-y"), Some(serde_json::json!({ "a": "x", "b": "y" })));
        assert_eq!(found("f://{a}", "f://a%20b%2Fc"), Some(serde_json::json!({ "a": "a b/c" })));
    }
}
