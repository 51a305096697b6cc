//! Idempotency keys: what they are told apart by, and how one was used.

use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::Engine;
use super::admission::decoded;
use super::derived_key::KeySource;
use crate::error::{Error, ErrorKind};
use crate::journal::codec;
use crate::journal::record::KeyUse;
use crate::store::{Batch, CommitError, Keyspace};

/// The longest idempotency key, in bytes.
const KEY_BYTES: usize = 255;

/// Locks under which one call at a time finds out whether a key was used before. Two keys may share one; it is held for a
/// look into the store, and for a commit only where the key was used before.
pub(super) struct KeyLocks([tokio::sync::Mutex<()>; 64]);

impl Default for KeyLocks {
    fn default() -> Self {
        Self(std::array::from_fn(|_| tokio::sync::Mutex::default()))
    }
}

impl KeyLocks {
    pub(super) async fn lock(&self, key: &[u8]) -> tokio::sync::MutexGuard<'_, ()> {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        let index = usize::try_from(hasher.finish() % 64).expect("below 64");
        self.0[index].lock().await
    }
}

impl Engine {
    pub(super) async fn forget_key(&self, row: &[u8], used: &KeyUse) -> Result<(), Error> {
        let mut batch = Batch::default();
        batch.guard(Keyspace::IdempotencyKey, row, Some(codec::encode(used)));
        batch.delete(Keyspace::IdempotencyKey, row);
        match self.surroundings.store.commit(batch).await {
            // What sweeps old keys, or notes deliveries, was faster.
            Ok(()) | Err(CommitError::GuardFailed(_)) => Ok(()),
            Err(CommitError::Store(error)) => Err(error.into()),
        }
    }

    pub(super) async fn key_use(&self, row: &[u8]) -> Result<Option<KeyUse>, Error> {
        if let Some(used) = self.directory.key_use(row) {
            return Ok(Some(used));
        }
        let stored = self.surroundings.store.get(Keyspace::IdempotencyKey, row.to_vec()).await?;
        stored.map(|bytes| decoded(&bytes)).transpose()
    }
}

/// Checks a key; `source` is what makes keys of calls whose clients give none, if this one did.
pub(super) fn check_key(key: &str, source: Option<KeySource>) -> Result<(), Error> {
    let message = if key.is_empty() || key.len() > KEY_BYTES {
        format!("an idempotency key has between 1 and {KEY_BYTES} bytes, and this one has {}", key.len())
    } else if source.is_some_and(|source| source.made(key)) {
        "this idempotency key begins as those do that the server makes of arguments; begin it otherwise".to_owned()
    } else {
        return Ok(());
    };
    Err(Error::new(ErrorKind::FixCall, "idempotency_key_invalid", message))
}

/// The row of a key: keys of different callers and tools have nothing to do with each other.
pub(super) fn key_row(principal: &str, tool: &str, key: &str, is_derived: bool) -> Vec<u8> {
    let mut digest = Sha256::new();
    // A key that a client gave when the tool derived none is no key of the tool's.
    let derived = is_derived.then_some("derived");
    for part in [principal, tool, key].into_iter().chain(derived) {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    digest.finalize().to_vec()
}

/// The digest of arguments: the same for the same JSON, however its objects are ordered.
pub(crate) fn digest(arguments: &Value) -> [u8; 32] {
    fn write(value: &Value, text: &mut String) {
        match value {
            Value::Array(items) => {
                text.push('[');
                for item in items {
                    write(item, text);
                    text.push(',');
                }
                text.push(']');
            }
            Value::Object(fields) => {
                let mut names: Vec<&String> = fields.keys().collect();
                names.sort_unstable();
                text.push('{');
                for name in names {
                    write!(text, "{}:", Value::from(name.as_str())).expect("a String takes everything");
                    write(&fields[name], text);
                    text.push(',');
                }
                text.push('}');
            }
            plain => write!(text, "{plain}").expect("a String takes everything"),
        }
    }
    let mut text = String::new();
    write(arguments, &mut text);
    Sha256::digest(text).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_of_arguments_ignores_the_order_of_fields_and_nothing_else() {
        let of = |text: &str| digest(&serde_json::from_str(text).expect("JSON"));
        assert_eq!(of(r#"{"a":1,"b":{"c":2,"d":3}}"#), of(r#"{"b":{"d":3,"c":2},"a":1}"#));
        for other in [r#"{"a":1}"#, r#"{"a":"1"}"#, r#"{"a":[1]}"#, r#"{"b":1}"#, r#"{"a":1,"b":null}"#] {
            assert_eq!(of(other) == of(r#"{"a":1}"#), other == r#"{"a":1}"#, "{other}");
        }
        assert_ne!(of("[1,2]"), of("[2,1]"));
        assert_ne!(of("[[1],2]"), of("[[1,2]]"));
    }
}
