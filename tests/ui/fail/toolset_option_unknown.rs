use durable_runtime::prelude::*;

struct Shop;

#[durable_tools(name = "shop")]
impl Shop {
    /// Buys.
    #[durable_tool]
    async fn buy(&self, _cx: &DurableContext) -> Result<(), ToolError> {
        Ok(())
    }
}

fn main() {
    let _ = Server::builder("shop", "1").tools(Shop);
}
