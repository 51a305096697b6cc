use durable_runtime::prelude::*;

struct Shop;

impl Shop {
    /// Buys.
    #[durable_tool]
    async fn buy(&self, cx: &DurableContext, #[arg(default = 1)] count: u32) -> Result<u32, ToolError> {
        Ok(count)
    }
}

fn main() {}
