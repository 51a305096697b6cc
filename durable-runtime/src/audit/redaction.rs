//! Keeps the values of named fields out of entries.

use serde_json::Value;

/// What stands in place of a value.
const REDACTED: &str = "[redacted]";

/// The fields that are hidden, and what was hidden so far.
pub(crate) struct Redaction {
    fields: Vec<&'static str>,
    hidden: Vec<String>,
}

impl Redaction {
    pub(crate) fn new(fields: impl IntoIterator<Item = &'static str>) -> Self {
        Self { fields: fields.into_iter().collect(), hidden: Vec::new() }
    }

    /// Hides the fields at any depth.
    pub(crate) fn hide(&mut self, value: &mut Value) {
        match value {
            Value::Object(fields) => {
                for (name, inner) in fields {
                    if self.fields.contains(&name.as_str()) {
                        collect(inner, &mut self.hidden);
                        *inner = REDACTED.into();
                    } else {
                        self.hide(inner);
                    }
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.hide(item)),
            _ => {}
        }
    }

    /// Hides in a text what was hidden before: an error's text may repeat it.
    pub(crate) fn hide_in_text(&self, mut text: String) -> String {
        // One that has another one inside is hidden as a whole.
        let mut hidden: Vec<&String> = self.hidden.iter().filter(|hidden| !hidden.is_empty()).collect();
        hidden.sort_unstable_by_key(|hidden| std::cmp::Reverse(hidden.len()));
        for hidden in hidden {
            text = text.replace(hidden.as_str(), REDACTED);
        }
        text
    }
}

fn collect(value: &Value, texts: &mut Vec<String>) {
    match value {
        Value::String(text) => texts.push(text.clone()),
        Value::Number(number) => texts.push(number.to_string()),
        Value::Array(items) => items.iter().for_each(|item| collect(item, texts)),
        Value::Object(fields) => fields.values().for_each(|field| collect(field, texts)),
        Value::Null | Value::Bool(_) => {}
    }
}

/// Whether what fits a schema can have a field of this name, at any depth.
pub(super) fn can_have(schema: &Value, field: &str) -> bool {
    /// Without one of these, anything fits.
    const RESTRICTING: [&str; 9] =
        ["type", "$ref", "properties", "anyOf", "oneOf", "allOf", "enum", "const", "prefixItems"];
    let Value::Object(keywords) = schema else { return *schema == Value::Bool(true) };
    if !RESTRICTING.iter().any(|keyword| keywords.contains_key(*keyword)) {
        return true;
    }
    keywords.iter().any(|(keyword, inner)| match (keyword.as_str(), inner) {
        ("properties", Value::Object(fields)) => {
            fields.contains_key(field) || fields.values().any(|schema| can_have(schema, field))
        }
        ("$defs", Value::Object(schemas)) => schemas.values().any(|schema| can_have(schema, field)),
        ("anyOf" | "oneOf" | "allOf" | "prefixItems", Value::Array(schemas)) => {
            schemas.iter().any(|schema| can_have(schema, field))
        }
        ("items", schema) => can_have(schema, field),
        // A map, whose names the schema does not know.
        ("additionalProperties" | "patternProperties", names) => *names != Value::Bool(false),
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn fields_are_hidden_at_any_depth_and_in_texts_that_repeat_them() {
        let mut redaction = Redaction::new(["password", "card"]);
        let mut value = json!({
            "name": "ada",
            "password": "hunter2",
            "more": [{ "card": { "number": 4242, "holder": "ada l" }, "note": "hunter2 is not looked for here" }],
        });
        redaction.hide(&mut value);
        assert_eq!(
            value,
            json!({
                "name": "ada",
                "password": "[redacted]",
                "more": [{ "card": "[redacted]", "note": "hunter2 is not looked for here" }],
            })
        );
        let text = redaction.hide_in_text("`hunter2` and 4242 of ada l, not of ada".into());
        assert_eq!(text, "`[redacted]` and [redacted] of [redacted], not of ada");
    }

    #[test]
    fn a_schema_can_have_what_it_names_and_in_maps_anything() {
        let closed = json!({
            "type": "object",
            "additionalProperties": false,
            "properties": { "user": { "$ref": "#/$defs/User" }, "tags": { "type": "array", "items": { "type": "string" } } },
            "$defs": { "User": { "anyOf": [{ "type": "object", "properties": { "token": { "type": "string" } } }, { "type": "null" }] } },
        });
        assert!(can_have(&closed, "user") && can_have(&closed, "token"));
        assert!(!can_have(&closed, "tokne") && !can_have(&closed, "properties"));
        let map = json!({ "type": "object", "properties": { "updates": { "type": "object", "additionalProperties": true } } });
        let anything = json!({ "type": "object", "properties": { "data": { "description": "Whatever." } } });
        assert!(can_have(&map, "password") && can_have(&anything, "password"));
    }
}
