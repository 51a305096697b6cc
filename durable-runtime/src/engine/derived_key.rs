//! Idempotency keys that a tool derives from its arguments, in place of the client's.

use std::fmt::Write as _;

use serde_json::Value;

use super::key::digest;
use crate::error::{Error, ErrorKind};
use crate::tool::{ArgumentError, ToolDefinition};

/// What a tool makes its keys of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeySource {
    /// All arguments.
    Arguments,
    /// The argument of this name.
    Argument(&'static str),
    /// All arguments, where the client gives no key, and only until an answer has been delivered.
    Undelivered,
}

/// Begins the keys of calls whose clients gave none. No client's key begins so.
const UNDELIVERED: &str = "undelivered:";

/// A key that was derived.
pub(super) struct DerivedKey {
    /// Of a bounded length, whatever the arguments are.
    pub(super) text: String,
    /// The digest of all arguments, with what was left out.
    pub(super) arguments: [u8; 32],
}

impl KeySource {
    /// Derives the key of a call.
    pub(super) fn derive(self, tool: &ToolDefinition, arguments: &Value) -> Result<DerivedKey, ArgumentError> {
        let whole = digest(&completed(&tool.input_schema, arguments));
        let (mut text, of_key) = match self {
            Self::Arguments => ("args:".to_owned(), whole),
            Self::Undelivered => (UNDELIVERED.to_owned(), whole),
            Self::Argument(name) => match arguments.get(name) {
                None | Some(Value::Null) => {
                    return Err(ArgumentError::new(
                        name,
                        "the call's idempotency key is made of it, so it must be given",
                    ));
                }
                Some(value) => (format!("{name}:"), digest(value)),
            },
        };
        for byte in of_key {
            write!(text, "{byte:02x}").expect("a String takes everything");
        }
        Ok(DerivedKey { text, arguments: whole })
    }

    /// Whether a client's own key comes before one that is derived.
    pub(crate) fn yields(self) -> bool {
        self == Self::Undelivered
    }

    /// Whether calls with the same arguments are always one.
    pub(crate) fn makes_idempotent(self) -> bool {
        self != Self::Undelivered
    }

    /// Whether this is a key that was derived, of a call of a tool whose keys are made so.
    pub(super) fn made(self, key: &str) -> bool {
        !self.yields() || key.starts_with(UNDELIVERED)
    }

    /// What a call is told whose key an earlier call had, with other arguments.
    pub(super) fn conflict(self, tool: &str) -> String {
        match self {
            // Digests of different arguments differ.
            Self::Arguments | Self::Undelivered => {
                format!("`{tool}` was called before with arguments of the same digest")
            }
            Self::Argument(name) => format!(
                "`{tool}` was called before with this `{name}` and other arguments; give another `{name}` for a new call, \
                 and the same arguments to get the earlier call's result"
            ),
        }
    }
}

/// Checks that every call of a tool has what its key is made of.
pub(crate) fn check(tool: &ToolDefinition) -> Result<(), Error> {
    let Some(KeySource::Argument(name)) = tool.idempotency else { return Ok(()) };
    let required = tool.input_schema.get("required").and_then(Value::as_array);
    if required.is_some_and(|required| required.iter().any(|property| property == name)) {
        return Ok(());
    }
    let known: Vec<String> = required
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(|property| format!("`{property}`"))
        .chain(["`args` for all of them".to_owned()])
        .collect();
    Err(Error::new(
        ErrorKind::FixProgram,
        "idempotency_argument_invalid",
        format!(
            "the tool `{}` makes its idempotency keys of `{name}`, which its input schema does not have or does not \
             require, so that all calls without it would be one; write one of {} in `idempotency = \"..\"`",
            tool.name,
            known.join(", ")
        ),
    ))
}

/// The arguments as the tool sees them, as far as its schema says: with the defaults of those that are left out, and without
/// optional ones that are `null`.
fn completed(schema: &Value, arguments: &Value) -> Value {
    let (Some(given), Some(properties)) = (arguments.as_object(), schema.get("properties").and_then(Value::as_object))
    else {
        return arguments.clone();
    };
    let required = schema.get("required").and_then(Value::as_array);
    let is_required = |name: &str| required.is_some_and(|required| required.iter().any(|property| property == name));
    let default = |name: &str| properties.get(name)?.get("default").filter(|default| !default.is_null());
    let mut completed = given.clone();
    for name in properties.keys() {
        if let (false, Some(default)) = (given.contains_key(name), default(name)) {
            completed.insert(name.clone(), default.clone());
        }
    }
    // Where there is a default, `null` is something else than leaving it out.
    completed.retain(|name, value| !value.is_null() || is_required(name) || default(name).is_some());
    Value::Object(completed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_left_out_and_what_is_given_as_its_default_are_the_same() {
        let schema = json!({
            "properties": {
                "order": {}, "count": { "default": 1 }, "note": {}, "other": { "default": null }, "set": { "default": "a" }
            },
            "required": ["order"],
        });
        let of = |arguments: Value| completed(&schema, &arguments);
        let plain = of(json!({ "order": 7 }));
        for same in [
            json!({ "order": 7, "count": 1 }),
            json!({ "order": 7, "note": null, "other": null }),
            json!({ "order": 7, "set": "a" }),
        ] {
            assert_eq!(of(same.clone()), plain, "{same}");
        }
        for other in [
            json!({ "order": 8 }),
            json!({ "order": null }),
            json!({ "order": 7, "count": 2 }),
            json!({ "order": 7, "note": "" }),
            json!({ "order": 7, "set": null }),
        ] {
            assert_ne!(of(other.clone()), plain, "{other}");
        }
    }
}
