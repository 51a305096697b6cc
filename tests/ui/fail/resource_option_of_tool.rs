use durable_runtime::prelude::*;

/// A text.
#[durable_resource(uri = "docs://readme", task = "always")]
async fn text(_cx: &ReadContext) -> Result<String, ToolError> {
    Ok(String::new())
}

fn main() {}
