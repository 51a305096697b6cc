//! Tools that show how arguments, results and errors look to clients.

use std::sync::OnceLock;

use durable_runtime::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::witness::effect;

static SERVER: OnceLock<Server> = OnceLock::new();

pub(crate) fn set_server(server: &Server) {
    SERVER.get_or_init(|| server.clone());
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Language {
    English,
    German,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Place {
    /// The city's name.
    city: String,
    floors: Vec<i32>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Greeting {
    /// What to say.
    text: String,
    place: Option<Place>,
}

/// Greets somebody.
///
/// In two languages.
#[durable_tool(title = "Greeter")]
pub(crate) async fn greet(
    _cx: &DurableContext,
    /// Who is greeted.
    name: String,
    /// How many times.
    #[arg(default = 1)]
    times: u32,
    language: Option<Language>,
    /// Where they are.
    place: Option<Place>,
) -> Result<Greeting, ToolError> {
    let word = match language {
        Some(Language::German) => "Hallo",
        Some(Language::English) | None => "Hello",
    };
    let text = format!("{word}, {name}!").repeat(times as usize);
    Ok(Greeting { text, place })
}

/// Remembers something, which a second call does not change.
#[durable_tool(idempotent)]
pub(crate) async fn remember(_cx: &DurableContext) -> Result<u32, ToolError> {
    Ok(1)
}

/// Gives a number, which is no object.
#[durable_tool]
pub(crate) async fn number(_cx: &DurableContext) -> Result<u32, ToolError> {
    Ok(7)
}

/// Fails.
#[durable_tool]
pub(crate) async fn fails(_cx: &DurableContext) -> Result<u32, ToolError> {
    Err(ToolError::new("the shop is closed"))
}

#[derive(Debug, Serialize, JsonSchema)]
struct Commits {
    batches: u64,
}

/// Tells how many batches the store has committed since the server was started.
#[durable_tool(read_only)]
pub(crate) async fn commits(_cx: &ReadContext) -> Result<Commits, ToolError> {
    let server = SERVER.get().ok_or_else(|| ToolError::new("the server is not set"))?;
    Ok(Commits { batches: server.commit_counts().batches })
}

#[derive(Debug, Serialize, JsonSchema)]
struct Callers {
    body: String,
    step: String,
}

/// Tells who calls, as the body and a step know it.
#[durable_tool]
pub(crate) async fn who_calls(cx: &DurableContext) -> Result<Callers, ToolError> {
    #[once(at_least, name = "ask")]
    let step = async { Ok::<_, ToolError>(cx.principal().to_owned()) }.await?;
    Ok(Callers { body: cx.principal().to_owned(), step })
}

/// Tells who reads.
#[durable_tool(read_only)]
pub(crate) async fn who_reads(cx: &ReadContext) -> Result<String, ToolError> {
    Ok(cx.principal().to_owned())
}

fn announce(what: &str) -> Result<(), ToolError> {
    let server = SERVER.get().ok_or_else(|| ToolError::new("the server is not set"))?;
    match what {
        "tools" => server.tools_changed(),
        uri => server.resource_updated(uri),
    }
    Ok(())
}

/// Tells clients that the list of `tools` has changed, or the resource of a URI.
#[durable_tool(read_only)]
pub(crate) async fn announces(_cx: &ReadContext, what: String) -> Result<String, ToolError> {
    announce(&what)?;
    Ok(what)
}

async fn announced(cx: &StepContext) -> Result<(), ToolError> {
    effect(cx, "announced").await?;
    announce("tools")
}

/// Tells clients that the list of tools has changed, and works on.
#[durable_tool]
pub(crate) async fn announces_and_works(cx: &DurableContext) -> Result<u32, ToolError> {
    #[once(at_least)]
    announced(cx).await?;
    #[once(at_least, name = "last")]
    effect(cx, "last").await.map_err(ToolError::from)?;
    Ok(1)
}
