use durable_runtime::prelude::*;

#[durable]
async fn helper(_cx: &DurableContext, early: bool) -> Result<u32, ToolError> {
    if early {
        return Ok("one");
    }
    2
}

fn main() {}
