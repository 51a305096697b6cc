use durable_runtime::prelude::*;

/// A text.
#[durable_resource(uri = "docs://{page}")]
async fn text(_cx: &ReadContext, line: String) -> Result<String, ToolError> {
    Ok(line)
}

fn main() {}
