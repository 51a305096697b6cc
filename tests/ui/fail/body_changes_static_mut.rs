use durable_runtime::prelude::*;

static mut COUNT: u32 = 0;

/// Calls.
#[durable_tool]
async fn tool(_cx: &DurableContext, number: u32) -> Result<u32, ToolError> {
    unsafe { COUNT += 1 };
    let count = unsafe { COUNT };
    let number = number + count;
    Ok(number)
}

fn main() {}
