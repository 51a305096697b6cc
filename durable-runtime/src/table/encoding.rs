//! Values as bytes.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// How a table's values are stored as bytes.
pub trait Encoding<V> {
    /// The bytes of a value.
    ///
    /// # Errors
    ///
    /// A text that says why there are none.
    fn encode(value: &V) -> Result<Vec<u8>, String>;

    /// The value of some bytes.
    ///
    /// # Errors
    ///
    /// A text that says why they are not a value.
    fn decode(bytes: &[u8]) -> Result<V, String>;
}

/// Values as JSON, of any serde type.
#[derive(Clone, Copy, Debug)]
pub struct Json;

impl<V: Serialize + DeserializeOwned> Encoding<V> for Json {
    fn encode(value: &V) -> Result<Vec<u8>, String> {
        serde_json::to_vec(value).map_err(|error| error.to_string())
    }

    fn decode(bytes: &[u8]) -> Result<V, String> {
        serde_json::from_slice(bytes).map_err(|error| error.to_string())
    }
}

/// Values as the bytes that they are.
#[derive(Clone, Copy, Debug)]
pub struct Raw;

impl Encoding<Vec<u8>> for Raw {
    fn encode(value: &Vec<u8>) -> Result<Vec<u8>, String> {
        Ok(value.clone())
    }

    fn decode(bytes: &[u8]) -> Result<Vec<u8>, String> {
        Ok(bytes.to_vec())
    }
}
