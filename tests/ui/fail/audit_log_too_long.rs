use durable_runtime::prelude::*;

/// Calls.
#[durable_tool]
#[audit("a_log_of_everything_that_was_ever_done_by_any_user_of_this_service")]
async fn tool(_cx: &DurableContext, password: String) -> Result<usize, ToolError> {
    Ok(password.len())
}

fn main() {
    let _ = tool;
}
