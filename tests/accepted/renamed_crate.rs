//! The runtime under another path, while `Ok`, `Err` and the names of the expansion mean something else.

#![deny(warnings)]

mod vendor {
    pub mod durable {
        pub use durable_runtime::*;
    }
}

use vendor::durable::{DurableContext, ReadContext, StepContext, ToolError, durable_tool, once};

#[allow(dead_code)]
enum Weather {
    Ok,
    Err,
}

#[allow(unused_imports)]
use Weather::{Err, Ok};

async fn call(_: &StepContext) -> Result<u32, ToolError> {
    Result::Ok(1)
}

async fn plain(_: &StepContext) -> u32 {
    1
}

/// Calls.
#[durable_tool(crate = crate::renamed_crate::vendor::durable)]
async fn renamed(context: &DurableContext, #[arg(default = "x")] text: String) -> Result<u32, ToolError> {
    let (step, attempt, outcome, result) = (1, 2, 3, text.len());
    #[once(at_most, key = step + attempt + outcome, retry_on(_))]
    let value = call(context).await?;
    #[once(at_least, infallible)]
    let other = plain(context).await;
    Result::Ok(value + other + u32::try_from(result).unwrap_or(outcome))
}

/// Reads.
#[durable_tool(crate = vendor::durable, read_only)]
async fn reads(_cx: &ReadContext) -> Result<u32, ToolError> {
    std::future::ready(()).await;
    Result::Ok(1)
}

#[test]
fn is_accepted() {
    let _ = (renamed, reads);
}
