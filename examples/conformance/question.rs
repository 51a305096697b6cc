//! Tools that ask their clients.

use durable_runtime::prelude::*;
use durable_runtime::{Root, Tool};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

pub(crate) fn tools() -> Vec<Box<dyn Tool>> {
    tools![
        test_sampling,
        test_elicitation,
        test_elicitation_sep1034_defaults,
        test_elicitation_sep1330_enums,
        test_missing_capability,
        test_streaming_elicitation,
        test_input_required_result_elicitation,
        test_input_required_result_sampling,
        test_input_required_result_list_roots,
        test_input_required_result_request_state,
        test_input_required_result_multiple_inputs,
        test_input_required_result_multi_round,
        test_input_required_result_tampered_state,
        test_input_required_result_capabilities,
    ]
}

#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct Name {
    pub(crate) name: String,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct Color {
    color: String,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct Confirmation {
    ok: bool,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(inline)]
struct Anything {
    #[serde(flatten)]
    fields: serde_json::Map<String, Value>,
}

fn completed(answer: &Elicited<Anything>) -> String {
    let (action, content) = match answer {
        Elicited::Accepted(anything) => ("accept", Value::Object(anything.fields.clone())),
        Elicited::Declined => ("decline", Value::Null),
        Elicited::Cancelled => ("cancel", Value::Null),
        Elicited::Unavailable(why) => ("unavailable", why.as_str().into()),
        Elicited::Expired => ("expired", Value::Null),
    };
    format!("Elicitation completed: action={action}, content={content}")
}

/// Asks the client's model.
#[durable_tool]
async fn test_sampling(cx: &DurableContext, prompt: String) -> Result<String, ToolError> {
    let answer = cx.sample(Sampling::new(prompt, 100)).await?;
    Ok(format!("LLM response: {}", answer.text()))
}

#[derive(Debug, Deserialize, JsonSchema)]
struct User {
    /// User's response
    username: String,
    /// User's email address
    email: String,
}

/// Asks the person at the client.
#[durable_tool]
async fn test_elicitation(cx: &DurableContext, message: String) -> Result<String, ToolError> {
    let user = cx.elicit::<User>(message).await.accepted()?;
    Ok(format!("User response: {} {}", user.username, user.email))
}

/// Asks with defaults of all plain types.
#[durable_tool]
async fn test_elicitation_sep1034_defaults(cx: &DurableContext) -> Result<String, ToolError> {
    let form = json!({
        "type": "object",
        "properties": {
            "name": { "type": "string", "description": "User name", "default": "John Doe" },
            "age": { "type": "integer", "description": "User age", "default": 30 },
            "score": { "type": "number", "description": "User score", "default": 95.5 },
            "status": {
                "type": "string", "description": "User status",
                "enum": ["active", "inactive", "pending"], "default": "active",
            },
            "verified": { "type": "boolean", "description": "Verification status", "default": true },
        },
        "required": [],
    });
    let answer = cx.elicit::<Anything>("Please review and update the form fields with defaults").form(form).await;
    Ok(completed(&answer))
}

/// Asks with all kinds of choices.
#[durable_tool]
async fn test_elicitation_sep1330_enums(cx: &DurableContext) -> Result<String, ToolError> {
    let titled = |words: [&str; 3]| -> Vec<Value> {
        let title = |(number, word): (usize, &&str)| json!({ "const": format!("value{}", number + 1), "title": word });
        words.iter().enumerate().map(title).collect()
    };
    let options = json!(["option1", "option2", "option3"]);
    let form = json!({
        "type": "object",
        "properties": {
            "untitledSingle": { "type": "string", "enum": options },
            "titledSingle": { "type": "string", "oneOf": titled(["First Option", "Second Option", "Third Option"]) },
            "legacyEnum": {
                "type": "string", "enum": ["opt1", "opt2", "opt3"],
                "enumNames": ["Option One", "Option Two", "Option Three"],
            },
            "untitledMulti": { "type": "array", "items": { "type": "string", "enum": options } },
            "titledMulti": {
                "type": "array", "items": { "anyOf": titled(["First Choice", "Second Choice", "Third Choice"]) },
            },
        },
        "required": [],
    });
    let answer = cx.elicit::<Anything>("Please select options from the enum fields").form(form).await;
    Ok(completed(&answer))
}

/// Asks the client's model, and is refused to clients without one.
#[durable_tool(requires(sampling))]
async fn test_missing_capability(cx: &DurableContext) -> Result<String, ToolError> {
    Ok(cx.sample(Sampling::new("Say hello", 20)).await?.text())
}

/// Says how far it is, and asks.
#[durable_tool]
async fn test_streaming_elicitation(cx: &DurableContext) -> Result<String, ToolError> {
    cx.progress(1.0, Some(2.0), "about to ask");
    let name = cx.elicit::<Name>("What is your name?").named("user_name").await.accepted()?;
    Ok(format!("Hello, {}!", name.name))
}

/// Asks for a name.
#[durable_tool]
async fn test_input_required_result_elicitation(cx: &DurableContext) -> Result<String, ToolError> {
    let name = cx.elicit::<Name>("What is your name?").named("user_name").await.accepted()?;
    Ok(format!("Hello, {}!", name.name))
}

/// Asks the client's model for a capital.
#[durable_tool]
async fn test_input_required_result_sampling(cx: &DurableContext) -> Result<String, ToolError> {
    let question = Sampling::new("What is the capital of France?", 100);
    Ok(cx.sample(question).named("capital_question").await?.text())
}

/// Asks for the client's directories.
#[durable_tool]
async fn test_input_required_result_list_roots(cx: &DurableContext) -> Result<String, ToolError> {
    let roots = cx.roots().named("client_roots").await?;
    Ok(listed(&roots))
}

fn listed(roots: &[Root]) -> String {
    roots.iter().map(|root| root.uri.as_str()).collect::<Vec<_>>().join(", ")
}

/// Asks for a confirmation.
#[durable_tool]
async fn test_input_required_result_request_state(cx: &DurableContext) -> Result<String, ToolError> {
    let confirmed = cx.elicit::<Confirmation>("Please confirm").named("confirm").await.accepted()?;
    Ok(format!("state-ok: {}", confirmed.ok))
}

/// Asks three things at once.
#[durable_tool]
async fn test_input_required_result_multiple_inputs(cx: &DurableContext) -> Result<String, ToolError> {
    let (name, greeting, roots) = join!(
        async { cx.elicit::<Name>("What is your name?").named("user_name").await.accepted() },
        async { cx.sample(Sampling::new("Generate a greeting", 50)).named("greeting").await },
        async { cx.roots().named("client_roots").await },
    );
    Ok(format!("{}, {}! {}", greeting?.text(), name?.name, listed(&roots?)))
}

/// Asks one thing after the other.
#[durable_tool]
async fn test_input_required_result_multi_round(cx: &DurableContext) -> Result<String, ToolError> {
    let name = cx.elicit::<Name>("Step 1: What is your name?").named("step1").await.accepted()?;
    let color = cx.elicit::<Color>("Step 2: What is your favorite color?").named("step2").await.accepted()?;
    Ok(format!("{} likes {}", name.name, color.color))
}

/// Asks for a confirmation, with a state that cannot be changed.
#[durable_tool]
async fn test_input_required_result_tampered_state(cx: &DurableContext) -> Result<String, ToolError> {
    let confirmed = cx.elicit::<Confirmation>("Please confirm").named("confirm").await.accepted()?;
    Ok(format!("state-ok: {}", confirmed.ok))
}

/// Asks what the client can be asked.
#[durable_tool]
async fn test_input_required_result_capabilities(cx: &DurableContext) -> Result<String, ToolError> {
    let (name, greeting) =
        join!(async { cx.elicit::<Name>("What is your name?").named("user_name").await.accepted() }, async {
            cx.sample(Sampling::new("Generate a greeting", 50)).named("greeting").await
        },);
    let name = name.map_or_else(|_| "somebody".to_owned(), |name| name.name);
    let greeting = greeting.map_or_else(|_| "Hello".to_owned(), |greeting| greeting.text());
    Ok(format!("{greeting}, {name}!"))
}
