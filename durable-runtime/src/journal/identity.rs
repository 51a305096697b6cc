//! What a step or an operation is recognised by in the journal.

use std::borrow::Cow;
use std::fmt;

use bincode::Encode;

/// Scope, name and key. The order in which things happen is no part of it, so that steps can be added, removed and moved
/// between releases, and branches may end in any order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode)]
pub(crate) struct Identity {
    /// Where in the tool: empty for its body.
    pub(crate) scope: String,
    /// Which step or operation. Most are in the program's text, so that a copy is no allocation.
    pub(crate) name: Cow<'static, str>,
    /// Which of several of this name.
    pub(crate) key: Option<String>,
}

impl Identity {
    /// The scope of what happens inside of this. Names and keys are the author's and the client's, so what separates them
    /// is marked where it is a part of one: two identities do not have the same scope.
    pub(crate) fn as_scope(&self) -> String {
        let mut scope = self.scope.clone();
        if !scope.is_empty() {
            scope.push('/');
        }
        push_marked(&mut scope, &self.name);
        if let Some(key) = &self.key {
            scope.push('[');
            push_marked(&mut scope, key);
            scope.push(']');
        }
        scope
    }

    /// A question with a name of its author's.
    pub(crate) const QUESTION: &str = "question";

    /// The key under which clients know this question: its name, or else all of its identity.
    pub(crate) fn as_question_key(&self) -> String {
        match &self.key {
            Some(name) if self.name == Self::QUESTION => name.clone(),
            _ => self.to_string(),
        }
    }

    /// Whether this lies in a scope, or in a scope inside of it.
    pub(crate) fn is_within(&self, scope: &str) -> bool {
        self.scope.strip_prefix(scope).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

fn push_marked(scope: &mut String, text: &str) {
    for letter in text.chars() {
        if matches!(letter, '\\' | '/' | '[' | ']') {
            scope.push('\\');
        }
        scope.push(letter);
    }
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

    #[test]
    fn a_key_does_not_lead_into_the_scope_of_another() {
        let identity =
            |scope: &str, key: &str| Identity { scope: scope.into(), name: "pay".into(), key: Some(key.into()) };
        assert_eq!(identity("", "7").as_scope(), "pay[7]");
        let inner = identity(&identity("", "1").as_scope(), "2");
        assert_eq!(inner.as_scope(), "pay[1]/pay[2]");
        assert_ne!(identity("", "1]/pay[2").as_scope(), inner.as_scope());
        assert!(inner.is_within("pay[1]"));
        assert!(!inner.is_within("pay"));
    }
}
