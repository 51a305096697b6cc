//! Resources: listed and read.

use std::sync::Arc;

use rmcp::model::{
    CacheScope, ReadResourceRequestParams, ReadResourceResponse, ReadResourceResult, Resource, ResourceTemplate,
};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer};
use serde_json::{Value, json};

use super::error::protocol_error;
use super::handler::Handler;
use super::invoke::Asked;
use super::outcome::Given;
use super::prompt::{mistaken, read_texts};
use crate::content::ResourceContents;
use crate::error::{Error, ErrorKind};
use crate::resource::{PREFIX, matches};
use crate::tool::{RegisteredTool, ToolDefinition};

/// What clients are told of a resource.
pub(super) fn listed(definition: &ToolDefinition) -> Resource {
    let name = definition.title.unwrap_or(definition.public_name());
    let resource = Resource::new(definition.public_name(), name).with_description(definition.description);
    match definition.mime_type {
        Some(mime_type) => resource.with_mime_type(mime_type),
        None => resource,
    }
}

/// What clients are told of a template of resources.
pub(super) fn template(definition: &ToolDefinition) -> ResourceTemplate {
    let name = definition.title.unwrap_or(definition.public_name());
    let template = ResourceTemplate::new(definition.public_name(), name).with_description(definition.description);
    match definition.mime_type {
        Some(mime_type) => template.with_mime_type(mime_type),
        None => template,
    }
}

fn unknown(uri: &str) -> ErrorData {
    let error = Error::new(ErrorKind::FixCall, "unknown_resource", format!("there is no resource `{uri}`"));
    let mut refusal = protocol_error(&error);
    if let Some(data) = &mut refusal.data {
        data["uri"] = uri.into();
    }
    refusal
}

impl Handler {
    /// The resource of this URI, and the variables in it: one that is written out comes before any template.
    pub(super) fn resource_at(&self, uri: &str) -> Option<(&Arc<RegisteredTool>, Value)> {
        let tools = self.server.parts.engine.tools();
        if let Some(registered) = tools.get(&format!("{PREFIX}{uri}")).filter(|_| !crate::resource::is_template(uri)) {
            return Some((registered, json!({})));
        }
        tools.iter().filter(|registered| registered.definition.name.starts_with(PREFIX)).find_map(|registered| {
            let variables = matches(registered.definition.public_name(), uri)?;
            Some((registered, Value::Object(variables)))
        })
    }

    pub(super) async fn resource(
        &self,
        request: ReadResourceRequestParams,
        context: &RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let Some((registered, arguments)) = self.resource_at(&request.uri) else {
            return Err(unknown(&request.uri));
        };
        self.read_found(registered, arguments, request, context).await.map_err(|error| protocol_error(&error))
    }

    async fn read_found(
        &self,
        registered: &Arc<RegisteredTool>,
        mut arguments: Value,
        request: ReadResourceRequestParams,
        context: &RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, Error> {
        let definition = &registered.definition;
        let what = format!("the resource `{}`", definition.public_name());
        read_texts(&definition.input_schema, &mut arguments);
        let mistakes = self.server.parts.contract.mistakes(definition.name, &arguments);
        if !mistakes.is_empty() {
            return Err(mistaken(&what, &mistakes));
        }
        let asked = Asked { registered, arguments, state: request.request_state, responses: request.input_responses };
        let value = match self.invoke(asked, context).await?.into_given(&what)? {
            Given::Value(value) => value,
            Given::InputRequired(required) => return Ok(required.into()),
        };
        // A value that is neither text nor bytes is told as its JSON.
        let contents = match value {
            Value::String(text) => ResourceContents::Text(text),
            value => {
                serde_json::from_value(value.clone()).unwrap_or_else(|_| ResourceContents::Text(value.to_string()))
            }
        };
        let contents = serde_json::from_value(contents.at(&request.uri, definition.mime_type)).map_err(|error| {
            Error::new(ErrorKind::FixProgram, "resource_invalid", format!("{what} cannot be sent: {error}"))
        })?;
        let mut result = ReadResourceResult::new(vec![contents]);
        if let Some(fresh_for) = definition.fresh_for {
            // What one caller may read, another one may not.
            result = result
                .with_ttl_ms(u64::try_from(fresh_for.as_millis()).unwrap_or(u64::MAX))
                .with_cache_scope(CacheScope::Private);
        }
        Ok(result.into())
    }
}
