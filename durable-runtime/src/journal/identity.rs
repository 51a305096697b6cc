//! What a step or an operation is recognised by in the journal.

use std::fmt;

use bincode::{Decode, Encode};

/// Scope, name and key. The order in which things happen is no part of it, so that steps can be added, removed and moved
/// between releases, and branches may end in any order.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub(crate) struct Identity {
    /// Where in the tool: empty for its body.
    pub(crate) scope: String,
    /// Which step or operation.
    pub(crate) name: String,
    /// Which of several of this name.
    pub(crate) key: Option<String>,
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.scope.is_empty() {
            write!(f, "{}/", self.scope)?;
        }
        f.write_str(&self.name)?;
        match &self.key {
            Some(key) => write!(f, "[{key}]"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_reads_as_scope_name_and_key() {
        let identity = |scope: &str, key: Option<&str>| Identity {
            scope: scope.into(),
            name: "charge".into(),
            key: key.map(Into::into),
        };
        assert_eq!(identity("", None).to_string(), "charge");
        assert_eq!(identity("left", Some("7")).to_string(), "left/charge[7]");
    }
}
