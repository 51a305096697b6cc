use durable_runtime::prelude::*;

fn words(_typed: &str) -> Vec<String> {
    Vec::new()
}

/// Says.
#[durable_tool]
async fn say(_cx: &DurableContext, #[arg(complete = words)] word: String) -> Result<String, ToolError> {
    Ok(word)
}

fn main() {}
