use durable_runtime::prelude::*;

/// A text.
#[durable_resource]
async fn text(_cx: &ReadContext) -> Result<String, ToolError> {
    Ok(String::new())
}

fn main() {}
