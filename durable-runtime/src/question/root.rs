//! The directories that a client works in.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::FromResult;

/// A directory or file that the client says it works in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Root {
    /// Its URI, which begins with `file://`.
    pub uri: String,
    /// What people call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

pub(crate) fn roots() -> Value {
    json!({ "method": "roots/list" })
}

impl FromResult for Vec<Root> {
    fn from_result(mut result: Value) -> Result<Self, String> {
        let roots = result.get_mut("roots").map(Value::take).ok_or("it has no `roots`")?;
        serde_json::from_value(roots).map_err(|error| format!("its `roots` are not roots: {error}"))
    }
}
