//! The resources.

use durable_runtime::prelude::*;

use crate::content::PNG;

/// A text.
#[durable_resource(uri = "test://static-text", mime_type = "text/plain", cache = "1m")]
pub(crate) async fn static_text(_cx: &ReadContext) -> Result<ResourceContents, ToolError> {
    Ok("This is the content of the static text resource.".into())
}

/// Bytes.
#[durable_resource(uri = "test://static-binary", mime_type = "image/png")]
pub(crate) async fn static_binary(_cx: &ReadContext) -> Result<ResourceContents, ToolError> {
    Ok(ResourceContents::bytes(PNG))
}

/// A resource that may change.
#[durable_resource(uri = "test://watched-resource", mime_type = "text/plain")]
pub(crate) async fn watched(_cx: &ReadContext) -> Result<ResourceContents, ToolError> {
    Ok("Watched resource content".into())
}

/// One of many.
#[durable_resource(uri = "test://template/{id}/data", mime_type = "application/json")]
pub(crate) async fn template(_cx: &ReadContext, id: String) -> Result<ResourceContents, ToolError> {
    let data = serde_json::json!({ "id": id, "templateTest": true, "data": format!("Data for ID: {id}") });
    Ok(data.to_string().into())
}
