use durable_runtime::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
struct Declined;

impl std::fmt::Display for Declined {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("declined")
    }
}

async fn call(_: &StepContext) -> Result<u32, Declined> {
    Ok(1)
}

/// Calls.
#[durable_tool]
async fn tool(cx: &DurableContext) -> Result<u32, Declined> {
    #[once(at_least, timeout = "30s")]
    let value = call(cx).await?;
    Ok(value)
}

fn main() {}
