//! Tools that are methods, of every shape.

#![deny(missing_docs, warnings)]
#![forbid(unsafe_code)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use durable_runtime::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is bought.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Receipt {
    item: String,
    price: u32,
}

/// A shop.
#[derive(Default)]
pub struct Shop {
    visits: AtomicU32,
}

#[durable_tools]
impl Shop {
    const PRICE: u32 = 7;

    /// Buys an item.
    #[audit("purchases", redact(note))]
    #[durable_tool(idempotency = "order")]
    pub async fn buy(
        &self,
        cx: &DurableContext,
        /// The order.
        order: String,
        #[arg(default = "pear")] item: String,
        note: Option<String>,
    ) -> Result<Receipt, ToolError> {
        let _ = (order, note);
        self.visits.fetch_add(1, Ordering::Relaxed);
        #[once(at_most)]
        let receipt = self.charge(cx, &item).await?;
        let looked = self.part(cx, &item).await?;
        for round in 0..2 {
            #[once(at_least, name = "tell", key = round)]
            self.charge(cx, &looked).await?;
        }
        Ok(receipt)
    }

    async fn charge(&self, _cx: &StepContext, item: &str) -> Result<Receipt, ToolError> {
        Ok(Receipt { item: item.to_owned(), price: Self::PRICE })
    }

    #[durable]
    async fn part(&self, cx: &DurableContext, item: &str) -> Result<String, ToolError> {
        #[once(at_least)]
        let receipt = self.charge(cx, item).await?;
        Ok(receipt.item)
    }

    /// Looks.
    #[durable_tool(read_only)]
    async fn look(&self, _cx: &ReadContext) -> Result<u32, ToolError> {
        Ok(self.visits.load(Ordering::Relaxed))
    }

    /// Knows nobody.
    #[durable_tool]
    async fn anonymous(_cx: &DurableContext) -> Result<(), ToolError> {
        Ok(())
    }

    /// Is no tool.
    pub fn is_open(&self) -> bool {
        true
    }
}

#[test]
fn is_accepted() {
    let shop = Arc::new(Shop::default());
    assert!(shop.is_open());
    let _one = Server::builder("shop", "1.0.0").tools(Arc::clone(&shop));
    let _other = Server::builder("shop", "1.0.0").tools(Shop::default());
}
