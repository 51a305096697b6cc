use durable_runtime::prelude::*;

struct Shop;

#[durable_tools]
impl Shop {
    /// Buys.
    #[durable_tool]
    async fn buy(self, _cx: &DurableContext) -> Result<(), ToolError> {
        Ok(())
    }

    /// Sells.
    #[durable_tool]
    async fn sell(&mut self, _cx: &DurableContext) -> Result<(), ToolError> {
        Ok(())
    }

    /// Looks.
    #[durable_tool]
    async fn look(self: std::sync::Arc<Self>, _cx: &DurableContext) -> Result<(), ToolError> {
        Ok(())
    }
}

fn main() {
    let _ = Server::builder("shop", "1").tools(Shop);
}
