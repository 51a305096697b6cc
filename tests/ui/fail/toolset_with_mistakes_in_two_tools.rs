use durable_runtime::prelude::*;

struct Shop;

#[durable_tools]
impl Shop {
    #[durable_tool]
    async fn buy(&self, _cx: &DurableContext) -> Result<(), ToolError> {
        Ok(())
    }

    /// Sells.
    #[durable_tool]
    async fn sell(&self, item: String) -> Result<(), ToolError> {
        drop(item);
        Ok(())
    }
}

fn main() {
    let _ = Server::builder("shop", "1").tools(Shop);
}
