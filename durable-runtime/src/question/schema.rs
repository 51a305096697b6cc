//! The schemas of forms: what the protocol lets a client show a person is flat, with fields of plain types.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

/// The form for a type.
pub(super) fn form<T: JsonSchema>() -> Result<Value, String> {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    flat(&schema)
}

fn flat(schema: &Value) -> Result<Value, String> {
    if schema.get("type").and_then(Value::as_str) != Some("object") {
        return Err("a form is a struct with named fields".into());
    }
    let no_fields = Map::new();
    let properties = schema.get("properties").and_then(Value::as_object).unwrap_or(&no_fields);
    let mut required: Vec<&str> =
        schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let mut fields = Map::new();
    for (name, property) in properties {
        let (property, is_optional) = without_null(property);
        if is_optional {
            required.retain(|required| required != name);
        }
        let field = field(&property).ok_or_else(|| {
            format!(
                "the field `{name}` is of a type that a form cannot have; it takes texts, numbers, booleans, enums without data \
                 and lists of such enums, each also as an `Option`"
            )
        })?;
        fields.insert(name.clone(), field);
    }
    let mut form = json!({ "type": "object", "properties": fields });
    if !required.is_empty() {
        form["required"] = json!(required);
    }
    Ok(form)
}

/// The schema of what may be absent, and whether it may.
fn without_null(property: &Value) -> (Value, bool) {
    let mut property = property.clone();
    if let Some(types) = property.get("type").and_then(Value::as_array) {
        let kept: Vec<Value> = types.iter().filter(|kind| *kind != "null").cloned().collect();
        if kept.len() == 1 && types.len() == 2 {
            property["type"] = kept[0].clone();
            if let Some(Value::Array(values)) = property.get_mut("enum") {
                values.retain(|value| !value.is_null());
            }
            return (property, true);
        }
    }
    let alternatives = property.get("anyOf").and_then(Value::as_array).cloned().unwrap_or_default();
    let [one, other] = &alternatives[..] else { return (property, false) };
    let is_null = |schema: &Value| schema.get("type").is_some_and(|kind| kind == "null");
    let inner = match (is_null(one), is_null(other)) {
        (false, true) => one,
        (true, false) => other,
        _ => return (property, false),
    };
    let mut merged = inner.clone();
    for key in ["title", "description", "default"] {
        if let Some(value) = property.get(key).filter(|value| !value.is_null()) {
            merged[key] = value.clone();
        }
    }
    (merged, true)
}

/// A field, with what forms know of it.
fn field(property: &Value) -> Option<Value> {
    let mut known: Vec<&str> = vec!["type", "title", "description", "default"];
    let kind = property.get("type").and_then(Value::as_str);
    let mut field = match kind {
        Some("string") if property.get("enum").is_some() => {
            known.push("enum");
            json!({})
        }
        Some("string") => {
            known.extend(["minLength", "maxLength", "pattern"]);
            let format = property.get("format").and_then(Value::as_str);
            match format.filter(|format| ["email", "uri", "date", "date-time"].contains(format)) {
                Some(format) => json!({ "format": format }),
                None => json!({}),
            }
        }
        Some("number" | "integer") => {
            known.extend(["minimum", "maximum"]);
            json!({})
        }
        Some("boolean") => json!({}),
        Some("array") => {
            known.extend(["minItems", "maxItems"]);
            let items = property.get("items")?;
            let items = match titled(items) {
                Some(titled) => json!({ "anyOf": titled }),
                None if items.get("enum").is_some() => json!({ "type": "string", "enum": items["enum"] }),
                None => return None,
            };
            json!({ "items": items })
        }
        None => {
            let titled = titled(property)?;
            let mut field = json!({ "type": "string" });
            // An enum whose variants say nothing of themselves is told as one.
            if titled.iter().any(|choice| choice["title"] != choice["const"]) {
                field["oneOf"] = Value::Array(titled);
            } else {
                field["enum"] = titled.into_iter().map(|mut choice| choice["const"].take()).collect();
            }
            field
        }
        Some(_) => return None,
    };
    for key in known {
        if let Some(value) = property.get(key).filter(|value| !value.is_null()) {
            field[key] = value.clone();
        }
    }
    Some(field)
}

/// The choices of an enum whose variants have descriptions.
fn titled(schema: &Value) -> Option<Vec<Value>> {
    let choices = schema.get("oneOf").or_else(|| schema.get("anyOf"))?.as_array()?;
    let mut titled = Vec::new();
    for choice in choices {
        let title = |value: &Value| {
            let said = choice.get("title").or_else(|| choice.get("description"));
            json!({ "const": value, "title": said.unwrap_or(value) })
        };
        match (choice.get("const"), choice.get("enum").and_then(Value::as_array)) {
            (Some(value @ Value::String(_)), _) => titled.push(title(value)),
            (None, Some(values)) if values.iter().all(Value::is_string) => titled.extend(values.iter().map(title)),
            _ => return None,
        }
    }
    Some(titled)
}

/// Checks what a form was filled in with.
pub(super) fn check(form: &Value, content: &Value) -> Result<(), String> {
    let validator = jsonschema::options()
        .with_draft(jsonschema::Draft::Draft202012)
        .should_validate_formats(true)
        .build(form)
        .map_err(|error| format!("the form itself is not a schema: {error}"))?;
    let mistakes: Vec<String> = validator
        .iter_errors(content)
        .take(10)
        .map(|mistake| format!("`content{}`: {mistake}", mistake.instance_path()))
        .collect();
    if mistakes.is_empty() { Ok(()) } else { Err(mistakes.join("; ")) }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize, JsonSchema)]
    #[allow(dead_code, reason = "only its schema is looked at")]
    struct Order {
        /// Who gets it.
        name: String,
        count: u8,
        #[serde(default)]
        express: bool,
        price: Option<f64>,
        size: Size,
        wrapping: Option<Wrapping>,
        extras: Vec<Size>,
    }

    #[derive(Deserialize, JsonSchema)]
    enum Size {
        Small,
        Large,
    }

    #[derive(Deserialize, JsonSchema)]
    enum Wrapping {
        /// In paper
        Paper,
        /// In a box
        Box,
    }

    #[test]
    fn a_form_is_flat_and_says_what_the_type_says() {
        let form = form::<Order>().expect("a form");
        assert_eq!(
            form,
            json!({
                "type": "object",
                "properties": {
                    "name": { "type": "string", "description": "Who gets it." },
                    "count": { "type": "integer", "minimum": 0, "maximum": 255 },
                    "express": { "type": "boolean", "default": false },
                    "price": { "type": "number" },
                    "size": { "type": "string", "enum": ["Small", "Large"] },
                    "wrapping": { "type": "string", "oneOf": [
                        { "const": "Paper", "title": "In paper" },
                        { "const": "Box", "title": "In a box" },
                    ] },
                    "extras": { "type": "array", "items": { "type": "string", "enum": ["Small", "Large"] } },
                },
                "required": ["name", "count", "size", "extras"],
            })
        );
    }

    #[test]
    fn what_a_form_cannot_have_is_named() {
        #[derive(Deserialize, JsonSchema)]
        #[allow(dead_code, reason = "only its schema is looked at")]
        struct Nested {
            inner: Order,
        }
        assert!(form::<Nested>().expect_err("nested").starts_with("the field `inner` is of a type"));
        assert!(form::<String>().expect_err("no struct").contains("named fields"));
    }

    #[test]
    fn content_is_checked() {
        let form = form::<Order>().expect("a form");
        check(&form, &json!({ "name": "ada", "count": 2, "size": "Small", "extras": [] })).expect("it fits");
        let why = check(&form, &json!({ "name": "ada", "count": 300, "size": "Huge", "extras": [] }))
            .expect_err("it does not");
        assert!(why.contains("`content/count`") && why.contains("`content/size`"), "{why}");
    }
}
