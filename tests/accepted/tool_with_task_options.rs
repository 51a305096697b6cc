//! Tools that are tasks, that go on alone, that ask their clients, and an argument that is repeated in a header.
use durable_runtime::prelude::*;

/// Takes long.
#[durable_tool(task = "always", on_disconnect = "detach")]
async fn long(_cx: &DurableContext) -> Result<u32, ToolError> {
    Ok(1)
}

/// Is a task only.
#[durable_tool(task = "required", requires(elicitation, sampling, roots))]
async fn job(_cx: &DurableContext) -> Result<u32, ToolError> {
    Ok(1)
}

/// May take long.
#[durable_tool(task_after = "2s")]
async fn maybe(
    _cx: &DurableContext,
    #[arg(header = "Region", default = "eu")] region: String,
) -> Result<String, ToolError> {
    Ok(region)
}

#[test]
fn is_accepted() {
    let _builder = Server::builder("tasks", "1.0.0").tools(tools![long, job, maybe]);
}
