//! Prompts: listed and given.

use rmcp::RoleServer;
use rmcp::model::{GetPromptRequestParams, GetPromptResponse, GetPromptResult, Prompt, PromptArgument};
use rmcp::service::RequestContext;
use serde_json::Value;

use super::handler::Handler;
use super::invoke::Asked;
use super::outcome::Given;
use crate::error::{Error, ErrorKind};
use crate::prompt::PREFIX;
use crate::tool::ToolDefinition;

/// What clients are told of a prompt.
pub(super) fn listed(definition: &ToolDefinition) -> Prompt {
    let schema = &definition.input_schema;
    let required = |name: &str| {
        schema.get("required").and_then(Value::as_array).is_some_and(|required| required.iter().any(|one| one == name))
    };
    let properties = schema.get("properties").and_then(Value::as_object);
    let arguments: Vec<PromptArgument> = properties
        .into_iter()
        .flatten()
        .map(|(name, property)| {
            let argument = PromptArgument::new(name).with_required(required(name));
            match property.get("description").and_then(Value::as_str) {
                Some(description) => argument.with_description(description),
                None => argument,
            }
        })
        .collect();
    let arguments = Some(arguments).filter(|arguments| !arguments.is_empty());
    let prompt = Prompt::new(definition.public_name(), Some(definition.description), arguments);
    match definition.title {
        Some(title) => prompt.with_title(title),
        None => prompt,
    }
}

/// The arguments of prompts and resources come as texts: reads those that are none.
pub(super) fn read_texts(schema: &Value, arguments: &mut Value) {
    let Some(arguments) = arguments.as_object_mut() else { return };
    for (name, argument) in arguments {
        let kind = &schema["properties"][name.as_str()]["type"];
        let is =
            |wanted: &str| kind == wanted || kind.as_array().is_some_and(|kinds| kinds.iter().any(|one| one == wanted));
        if let Value::String(text) = &*argument
            && !is("string")
            && let Ok(read) = serde_json::from_str::<Value>(text)
            && (read.is_number() && (is("integer") || is("number")) || read.is_boolean() && is("boolean"))
        {
            *argument = read;
        }
    }
}

pub(super) fn mistaken(what: &str, mistakes: &[String]) -> Error {
    Error::new(
        ErrorKind::FixCall,
        "invalid_arguments",
        format!("the arguments do not fit {what}: {}", mistakes.join("; ")),
    )
}

impl Handler {
    pub(super) async fn prompt(
        &self,
        request: GetPromptRequestParams,
        context: &RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, Error> {
        let parts = &self.server.parts;
        let name = format!("{PREFIX}{}", request.name);
        let Some(registered) = parts.engine.tools().get(&name) else {
            let message = format!("there is no prompt `{}`", request.name);
            return Err(Error::new(ErrorKind::FixCall, "unknown_prompt", message));
        };
        let mut arguments = Value::Object(request.arguments.unwrap_or_default());
        read_texts(&registered.definition.input_schema, &mut arguments);
        let what = format!("the prompt `{}`", request.name);
        let mistakes = parts.contract.mistakes(&name, &arguments);
        if !mistakes.is_empty() {
            return Err(mistaken(&what, &mistakes));
        }
        let asked = Asked { registered, arguments, state: request.request_state, responses: request.input_responses };
        let value = match self.invoke(asked, context).await?.into_given(&what)? {
            Given::Value(value) => value,
            Given::InputRequired(required) => return Ok(required.into()),
        };
        let messages = serde_json::from_value(value).map_err(|error| {
            let message = format!("{what} gives no messages: {error}; return `Vec<PromptMessage>`");
            Error::new(ErrorKind::FixProgram, "prompt_invalid", message)
        })?;
        Ok(GetPromptResult::new(messages).with_description(registered.definition.description).into())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn texts_are_read_as_what_the_schema_wants() {
        let schema = json!({ "properties": {
            "text": { "type": "string" }, "count": { "type": "integer" }, "yes": { "type": ["boolean", "null"] },
        } });
        let mut arguments = json!({ "text": "7", "count": "7", "yes": "true", "other": "1" });
        read_texts(&schema, &mut arguments);
        assert_eq!(arguments, json!({ "text": "7", "count": 7, "yes": true, "other": "1" }));
        let mut arguments = json!({ "count": "seven" });
        read_texts(&schema, &mut arguments);
        assert_eq!(arguments, json!({ "count": "seven" }));
    }
}
