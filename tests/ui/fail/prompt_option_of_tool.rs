use durable_runtime::prelude::*;

/// Asks.
#[durable_prompt(read_only)]
async fn ask(_cx: &ReadContext) -> Result<Vec<PromptMessage>, ToolError> {
    Ok(Vec::new())
}

fn main() {}
