//! Tools that are tasks.

use std::time::Duration;

use durable_runtime::Tool;
use durable_runtime::prelude::*;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::question::Name;

pub(crate) fn tools() -> Vec<Box<dyn Tool>> {
    tools![greet, slow_compute, failing_job, protocol_error_job, confirm_delete, multi_input, test_tool_with_task]
}

/// Greets, at once.
#[durable_tool(read_only)]
async fn greet(_cx: &ReadContext, name: String) -> Result<String, ToolError> {
    Ok(format!("Hello, {name}!"))
}

/// Takes its time.
#[durable_tool(task = "always")]
async fn slow_compute(
    cx: &DurableContext,
    #[arg(default = 1.0)] seconds: f64,
    #[arg(default = "")] label: String,
) -> Result<String, ToolError> {
    cx.sleep(Duration::from_secs_f64(seconds.clamp(0.0, 3600.0))).await;
    Ok(format!("computed {label} in {seconds} s"))
}

/// Fails after a second.
#[durable_tool(task = "required")]
async fn failing_job(cx: &DurableContext) -> Result<String, ToolError> {
    cx.sleep(Duration::from_secs(1)).await;
    Err(ToolError::new("the job has failed"))
}

/// Fails as a request.
#[durable_tool(task = "always")]
async fn protocol_error_job(_cx: &DurableContext) -> Result<String, ToolError> {
    Err(ToolError::protocol("the job cannot be done at all"))
}

#[derive(Debug, Deserialize, JsonSchema)]
struct Confirmation {
    confirm: Option<bool>,
}

/// Deletes a file, if a person agrees.
#[durable_tool(task = "always")]
async fn confirm_delete(cx: &DurableContext, filename: String) -> Result<String, ToolError> {
    let answer = cx.elicit::<Confirmation>(format!("Delete {filename}?")).named("confirm").await.accepted();
    let is_confirmed = answer.is_ok_and(|answer| answer.confirm.unwrap_or(true));
    Ok(if is_confirmed { format!("{filename} is deleted") } else { format!("{filename} is kept") })
}

#[derive(Debug, Deserialize, JsonSchema)]
struct Any {
    value: Option<String>,
}

/// Asks two things at once.
#[durable_tool(task = "always")]
async fn multi_input(cx: &DurableContext) -> Result<String, ToolError> {
    let (first, second) =
        join!(async { cx.elicit::<Any>("The first thing?").named("first").await.accepted() }, async {
            cx.elicit::<Any>("The second thing?").named("second").await.accepted()
        },);
    Ok(format!("{:?} and {:?}", first?.value, second?.value))
}

/// Asks for a name, and then takes its time.
#[durable_tool(task_after = "200ms")]
async fn test_tool_with_task(cx: &DurableContext) -> Result<String, ToolError> {
    let name = cx.elicit::<Name>("What is your name?").named("user_name").await.accepted()?;
    cx.sleep(Duration::from_secs(1)).await;
    Ok(format!("Hello, {}!", name.name))
}
