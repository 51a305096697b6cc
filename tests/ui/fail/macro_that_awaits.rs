use durable_runtime::prelude::*;

#[allow(unused_macros)]
macro_rules! join {
    ($($future:expr),*) => {
        ($($future.await),*)
    };
}

async fn call() -> Result<u32, ToolError> {
    Ok(1)
}

/// Calls.
#[durable_tool]
async fn tool(cx: &DurableContext) -> Result<u32, ToolError> {
    let (left, right) = join!(call(), call());
    Ok(left? + right?)
}

fn main() {}
