//! Prompts and resources, with both contexts, states and completion.
#![deny(missing_docs)]
#![forbid(unsafe_code)]
use durable_runtime::prelude::*;

struct Glossary;

fn languages(typed: &str) -> Vec<String> {
    ["rust", "ruby"].into_iter().filter(|word| word.starts_with(typed)).map(str::to_owned).collect()
}

/// Asks for a review.
#[durable_prompt(name = "code.review", title = "Review")]
pub async fn review(
    _cx: &ReadContext,
    /// The code.
    code: String,
    #[arg(complete = languages)] language: Option<String>,
    lines: u32,
) -> Result<Vec<PromptMessage>, ToolError> {
    Ok(vec![
        PromptMessage::user(format!("Review {lines} lines of {language:?}: {code}")),
        PromptMessage::assistant(Content::image(b"png", "image/png")),
    ])
}

async fn fetch(_cx: &StepContext) -> Result<String, ToolError> {
    Ok(String::new())
}

/// Asks about something that is fetched first.
#[durable_prompt]
async fn fetched(cx: &DurableContext) -> Result<Vec<PromptMessage>, ToolError> {
    #[once(at_least)]
    let text = fetch(cx).await?;
    Ok(vec![PromptMessage::user(text)])
}

/// A page of the documentation.
#[durable_resource(uri = "docs://{page}/{line}", mime_type = "text/plain", cache = "1m", name = "A page")]
async fn page(
    _cx: &ReadContext,
    _glossary: State<Glossary>,
    page: String,
    line: u32,
) -> Result<ResourceContents, ToolError> {
    Ok(format!("{page} {line}").into())
}

/// All of it.
#[durable_resource(uri = "docs://readme")]
async fn readme(_cx: &ReadContext) -> Result<String, ToolError> {
    Ok(String::new())
}

/// Shows a picture.
#[durable_tool(read_only)]
async fn picture(_cx: &ReadContext) -> Result<Vec<Content>, ToolError> {
    Ok(vec![Content::text("a picture"), Content::image(b"png", "image/png")])
}

#[test]
fn is_accepted() {
    let _builder = Server::builder("docs", "1.0.0")
        .state(Glossary)
        .prompt(review)
        .prompt(fetched)
        .resource(page)
        .resource(readme)
        .tool(picture);
}
