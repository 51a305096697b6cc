//! What tools and prompts show: texts, images, sounds, resources and links to them.

use std::any::{Any, TypeId};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// One block of what a tool or a prompt shows a model.
///
/// A tool that returns `Result<Content, _>` or `Result<Vec<Content>, _>` is answered with these blocks as they are.
///
/// ```
/// use durable_runtime::Content;
/// use durable_runtime::prelude::*;
///
/// /// Draws a dot.
/// #[durable_tool(read_only)]
/// async fn dot(_cx: &ReadContext) -> Result<Vec<Content>, ToolError> {
///     let png = vec![0x89, b'P', b'N', b'G'];
///     Ok(vec![Content::text("A dot:"), Content::image(&png, "image/png")])
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Content(Value);

impl Content {
    /// A text.
    pub fn text(text: impl Into<String>) -> Self {
        Self(json!({ "type": "text", "text": text.into() }))
    }

    /// An image, and its media type, as `image/png`.
    pub fn image(bytes: &[u8], mime_type: impl Into<String>) -> Self {
        Self(json!({ "type": "image", "data": BASE64_STANDARD.encode(bytes), "mimeType": mime_type.into() }))
    }

    /// A sound, and its media type, as `audio/wav`.
    pub fn audio(bytes: &[u8], mime_type: impl Into<String>) -> Self {
        Self(json!({ "type": "audio", "data": BASE64_STANDARD.encode(bytes), "mimeType": mime_type.into() }))
    }

    /// A resource with what is in it.
    pub fn resource(uri: impl Into<String>, mime_type: impl Into<String>, contents: ResourceContents) -> Self {
        Self(json!({ "type": "resource", "resource": contents.at(&uri.into(), Some(&mime_type.into())) }))
    }

    /// A resource that the client may read.
    pub fn link(uri: impl Into<String>, name: impl Into<String>) -> Self {
        Self(json!({ "type": "resource_link", "uri": uri.into(), "name": name.into() }))
    }
}

impl From<String> for Content {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}

impl From<&str> for Content {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

/// What is in a resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ResourceContents {
    /// A text.
    Text(String),
    /// Bytes, in base64.
    Blob(String),
}

impl ResourceContents {
    /// Bytes.
    pub fn bytes(bytes: &[u8]) -> Self {
        Self::Blob(BASE64_STANDARD.encode(bytes))
    }

    /// As the protocol has it.
    pub(crate) fn at(self, uri: &str, mime_type: Option<&str>) -> Value {
        let mut contents = match self {
            Self::Text(text) => json!({ "uri": uri, "text": text }),
            Self::Blob(blob) => json!({ "uri": uri, "blob": blob }),
        };
        if let Some(mime_type) = mime_type {
            contents["mimeType"] = mime_type.into();
        }
        contents
    }
}

impl From<String> for ResourceContents {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for ResourceContents {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// Whether values of a type are blocks.
pub(crate) fn are_blocks<T: 'static>() -> bool {
    [TypeId::of::<Content>(), TypeId::of::<Vec<Content>>()].contains(&TypeId::of::<T>())
}

/// The blocks that a tool's value is, if it is some, as JSON.
pub(crate) fn blocks(value: &dyn Any) -> Option<Result<String, serde_json::Error>> {
    if let Some(one) = value.downcast_ref::<Content>() {
        return Some(serde_json::to_string(&[one]));
    }
    value.downcast_ref::<Vec<Content>>().map(serde_json::to_string)
}
