use durable_runtime::prelude::*;

async fn call() -> Result<u32, ToolError> {
    Ok(1)
}

#[once(at_least)]
async fn helper() -> Result<u32, ToolError> {
    call().await
}

fn main() {}
