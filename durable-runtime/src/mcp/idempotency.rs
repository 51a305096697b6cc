//! The idempotency key of a call: in `_meta`, or in the HTTP header of draft-ietf-httpapi-idempotency-key-header.

use rmcp::RoleServer;
use rmcp::service::RequestContext;
use serde_json::Value;

use crate::error::{Error, ErrorKind};

const META: &str = "durable/idempotency-key";
const HEADER: &str = "idempotency-key";

fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::FixCall, "idempotency_key_invalid", message)
}

/// The key that the client gave.
pub(super) fn key(context: &RequestContext<RoleServer>) -> Result<Option<String>, Error> {
    let from_meta = match context.meta.0.0.get(META) {
        None | Some(Value::Null) => None,
        Some(Value::String(key)) => Some(key.clone()),
        Some(_) => return Err(invalid(format!("`_meta[\"{META}\"]` is not a string"))),
    };
    let headers = context.extensions.get::<::http::request::Parts>().map(|parts| &parts.headers);
    let mut from_header = None;
    for value in headers.into_iter().flat_map(|headers| headers.get_all(HEADER)) {
        let value = value.to_str().map_err(|_| invalid("the header `Idempotency-Key` is not visible ASCII"))?;
        if from_header.replace(header_key(value)?).is_some() {
            return Err(invalid("the header `Idempotency-Key` is given more than once"));
        }
    }
    match (from_meta, from_header) {
        (Some(meta), Some(header)) if meta != header => Err(invalid(format!(
            "`_meta[\"{META}\"]` and the header `Idempotency-Key` differ; give one of them, or the same key in both"
        ))),
        (meta, header) => Ok(meta.or(header)),
    }
}

/// The draft makes the header an RFC 8941 string, in quotes; most clients send it bare. Both are taken.
fn header_key(value: &str) -> Result<String, Error> {
    let value = value.trim();
    let Some(quoted) = value.strip_prefix('"') else {
        return Ok(value.to_owned());
    };
    let mut key = String::new();
    let mut characters = quoted.chars();
    loop {
        match characters.next() {
            Some('"') if characters.as_str().is_empty() => return Ok(key),
            Some('\\') => match characters.next() {
                Some(escaped @ ('"' | '\\')) => key.push(escaped),
                _ => break,
            },
            None | Some('"') => break,
            Some(plain) => key.push(plain),
        }
    }
    Err(invalid("the header `Idempotency-Key` begins with a quote and is no quoted string of RFC 8941"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_taken_bare_or_quoted() {
        for (value, key) in [("abc", "abc"), ("\"abc\"", "abc"), (r#""a\"b\\c""#, r#"a"b\c"#), (" a ", "a")] {
            assert_eq!(header_key(value).expect("a key"), key);
        }
    }

    #[test]
    fn a_broken_quoted_header_is_refused() {
        for value in ["\"abc", "\"a\"b\"", r#""a\x""#, r#""a\"#] {
            assert_eq!(header_key(value).expect_err(value).code(), "idempotency_key_invalid");
        }
    }
}
