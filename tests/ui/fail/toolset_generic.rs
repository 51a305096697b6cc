use durable_runtime::prelude::*;

struct Shop<T>(T);

#[durable_tools]
impl<T: Send + Sync + 'static> Shop<T> {
    /// Buys.
    #[durable_tool]
    async fn buy(&self, _cx: &DurableContext) -> Result<(), ToolError> {
        Ok(())
    }
}

fn main() {
    let _ = Shop(1).0;
}
