//! Tools that ask their clients and tell them how far they are.

use durable_runtime::Root;
use durable_runtime::prelude::*;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::witness::effect;

#[derive(Debug, Deserialize, JsonSchema)]
struct Name {
    name: String,
}

async fn work(cx: &StepContext, label: &str) -> Result<u32, ToolError> {
    effect(cx, label).await?;
    Ok(cx.attempt())
}

/// Asks for a name between two steps.
#[durable_tool]
pub(crate) async fn asks(cx: &DurableContext) -> Result<String, ToolError> {
    #[once(at_most, name = "before")]
    work(cx, "before").await?;
    let name = match cx.elicit::<Name>("What is your name?").named("user_name").await {
        Elicited::Accepted(answer) => answer.name,
        other => format!("{other:?}"),
    };
    #[once(at_most, name = "after")]
    work(cx, "after").await?;
    Ok(format!("Hello, {name}!"))
}

/// Asks twice, one after the other.
#[durable_tool]
pub(crate) async fn asks_twice(cx: &DurableContext) -> Result<String, ToolError> {
    let first = cx.elicit::<Name>("What is your first name?").await.accepted()?.name;
    #[once(at_most, name = "between")]
    work(cx, "between").await?;
    let last = cx.elicit::<Name>("What is your last name?").await.accepted()?.name;
    Ok(format!("{first} {last}"))
}

/// Asks the person, the model and the client at once.
#[durable_tool]
pub(crate) async fn asks_all(cx: &DurableContext) -> Result<String, ToolError> {
    let (name, text, roots) = join!(
        async { cx.elicit::<Name>("What is your name?").named("name").await.accepted() },
        async { cx.sample(Sampling::new("Say hello", 20)).named("text").await },
        async { cx.roots().named("roots").await },
    );
    let roots: Result<Vec<Root>, Unanswered> = roots;
    let roots: Vec<String> = roots?.into_iter().map(|root| root.uri).collect();
    Ok(format!("{} {} {}", name?.name, text?.text(), roots.join(" ")))
}

/// Says how far it is, before, in and after its step.
#[durable_tool]
pub(crate) async fn tells(cx: &DurableContext) -> Result<u32, ToolError> {
    cx.progress(1.0, Some(4.0), "begun");
    cx.log(LogLevel::Debug, "too fine");
    cx.log(LogLevel::Warning, &serde_json::json!({ "text": "begun" }));
    #[once(at_least)]
    let attempt = tell(cx).await?;
    cx.progress(3.0, Some(4.0), "worked");
    #[once(at_least, name = "last")]
    work(cx, "last").await?;
    cx.progress(4.0, Some(4.0), "");
    Ok(attempt)
}

async fn tell(cx: &StepContext) -> Result<u32, ToolError> {
    cx.progress(2.0, Some(4.0), "working");
    work(cx, "telling").await
}

/// Sends twenty million bytes of messages before its result.
#[durable_tool]
pub(crate) async fn floods(cx: &DurableContext) -> Result<u32, ToolError> {
    for _ in 0..200 {
        cx.log(LogLevel::Warning, &"x".repeat(100_000));
    }
    #[once(at_least, name = "flooded")]
    work(cx, "flooded").await
}
