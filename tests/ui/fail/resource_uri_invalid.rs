use durable_runtime::prelude::*;

/// A text.
#[durable_resource(uri = "readme")]
async fn text(_cx: &ReadContext) -> Result<String, ToolError> {
    Ok(String::new())
}

/// A text.
#[durable_resource(uri = "docs://{page")]
async fn page(_cx: &ReadContext, page: String) -> Result<String, ToolError> {
    Ok(page)
}

/// A text.
#[durable_resource(uri = "docs://{page}{line}")]
async fn line(_cx: &ReadContext, page: String, line: String) -> Result<String, ToolError> {
    Ok(page + &line)
}

/// A text.
#[durable_resource(uri = "docs://{page}/{page}")]
async fn twice(_cx: &ReadContext, page: String) -> Result<String, ToolError> {
    Ok(page)
}

/// A text.
#[durable_resource(uri = "docs://{a-b}")]
async fn dashed(_cx: &ReadContext) -> Result<String, ToolError> {
    Ok(String::new())
}

/// A text.
#[durable_resource(uri = "docs://page}")]
async fn closed(_cx: &ReadContext) -> Result<String, ToolError> {
    Ok(String::new())
}

fn main() {}
