//! Schemas: what clients are told of the tools, and the check of arguments before a call is admitted.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use jsonschema::error::ValidationErrorKind;
use jsonschema::{Draft, ValidationError, Validator};
use rmcp::model::{Prompt, Resource, ResourceTemplate, Tool, ToolAnnotations};
use serde_json::Value;

use crate::engine::KeySource;
use crate::error::{Error, ErrorKind};
use crate::tool::{Registry, ToolDefinition};

/// How many mistakes in one call's arguments are told at once.
const MISTAKES_TOLD: usize = 10;

/// What the server and its clients hold each other to.
#[derive(Default)]
pub(super) struct Contract {
    pub(super) tools: Vec<Tool>,
    pub(super) prompts: Vec<Prompt>,
    pub(super) resources: Vec<Resource>,
    pub(super) templates: Vec<ResourceTemplate>,
    pub(super) has_completions: bool,
    /// Whether there is a tool whose answers are followed until they are written out.
    pub(super) follows_answers: bool,
    inputs: HashMap<&'static str, Validator>,
}

impl Contract {
    /// Checks the schemas of all tools.
    pub(super) fn of(registry: &Registry) -> Result<Self, Error> {
        let mut contract = Self::default();
        for registered in registry.iter() {
            let definition = &registered.definition;
            let validator = input_validator(definition)?;
            contract.inputs.insert(definition.name, validator);
            contract.has_completions |= !definition.completions.is_empty();
            contract.follows_answers |= definition.idempotency == Some(KeySource::Undelivered);
            if definition.is_tool() {
                contract.tools.push(tool(definition));
            } else if definition.name.starts_with(crate::prompt::PREFIX) {
                contract.prompts.push(super::prompt::listed(definition));
            } else if crate::resource::is_template(definition.public_name()) {
                contract.templates.push(super::resource::template(definition));
            } else {
                contract.resources.push(super::resource::listed(definition));
            }
        }
        Ok(contract)
    }

    /// What is wrong with a call's arguments, each mistake with its path; empty when nothing is.
    pub(super) fn mistakes(&self, tool: &str, arguments: &Value) -> Vec<String> {
        let Some(validator) = self.inputs.get(tool) else {
            return Vec::new();
        };
        if validator.is_valid(arguments) {
            return Vec::new();
        }
        validator
            .iter_errors(arguments)
            .take(MISTAKES_TOLD)
            .map(|mistake| {
                let mistake = innermost(&mistake);
                match mistake.instance_path().as_str() {
                    "" => mistake.to_string(),
                    path => format!("`{path}`: {mistake}"),
                }
            })
            .collect()
    }
}

/// The mistake that a choice between schemas hides: of all its branches, the one that the value comes closest to.
fn innermost<'a>(mistake: &'a ValidationError<'a>) -> &'a ValidationError<'a> {
    let (ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context }) = mistake.kind()
    else {
        return mistake;
    };
    let depth = |mistake: &ValidationError<'_>| mistake.instance_path().as_str().matches('/').count();
    let own = depth(mistake);
    let within = context.iter().flatten().map(innermost);
    within.max_by_key(|mistake| depth(mistake)).filter(|mistake| depth(mistake) > own).unwrap_or(mistake)
}

fn input_validator(definition: &ToolDefinition) -> Result<Validator, Error> {
    let invalid = |why: String| {
        Error::new(
            ErrorKind::FixProgram,
            "schema_invalid",
            format!(
                "the input schema of the tool `{}` is not usable: {why}; look at the `JsonSchema` of its parameters' types",
                definition.name
            ),
        )
    };
    if definition.input_schema.get("type") != Some(&Value::from("object")) {
        return Err(invalid("its root is not an object".into()));
    }
    check_headers(&definition.input_schema).map_err(&invalid)?;
    jsonschema::options()
        .with_draft(Draft::Draft202012)
        .build(&definition.input_schema)
        .map_err(|error| invalid(error.to_string()))
}

/// Arguments that clients repeat in headers are told apart by these, and are of types that a header can have.
fn check_headers(schema: &Value) -> Result<(), String> {
    let mut seen = HashSet::new();
    for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let Some(header) = property.get("x-mcp-header").and_then(Value::as_str) else { continue };
        if !seen.insert(header.to_ascii_lowercase()) {
            return Err(format!("two arguments have the header `{header}`, one of them `{name}`"));
        }
        if !matches!(property.get("type").and_then(Value::as_str), Some("string" | "integer" | "boolean")) {
            return Err(format!(
                "`{name}` has the header `{header}`, and only texts, whole numbers and booleans have one, not as an `Option`"
            ));
        }
    }
    Ok(())
}

fn tool(definition: &ToolDefinition) -> Tool {
    let object = |schema: &Value| schema.as_object().cloned().map(Arc::new);
    let input = object(&definition.input_schema).unwrap_or_default();
    let mut tool = Tool::new(definition.name, definition.description, input);
    if let Some(title) = definition.title {
        tool = tool.with_title(title);
    }
    // The protocol takes an output schema only for results that are objects.
    if definition.output_schema.get("type") == Some(&Value::from("object"))
        && let Some(output) = object(&definition.output_schema)
    {
        tool = tool.with_raw_output_schema(output);
    }
    let mut annotations = ToolAnnotations::new().read_only(definition.read_only);
    annotations.destructive_hint = definition.destructive;
    annotations.open_world_hint = definition.open_world;
    let is_idempotent = definition.idempotent || definition.idempotency.is_some_and(KeySource::makes_idempotent);
    annotations.idempotent_hint = is_idempotent.then_some(true);
    tool.with_annotations(annotations)
}
